//! Forms: read with a largest size, and accepted with the token of the session only.
//!
//! Input: the body of a POST. Output: its fields. The invariants: no field comes twice; a form of a
//! person who is logged in has the token of that session.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::CONTENT_LENGTH;
use http_body_util::BodyExt;
use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory};
use icu_properties::{CodePointMapData, CodePointSetData};
use tokio::time::{Instant, timeout_at};

use super::answer::{Refused, refuse};
use super::people::Person;
use super::visitor::{LoggedIn, NotLoggedIn, Visitor, form_token};
use super::{Shop, random};
use crate::places::{Sender, Taken};

/// The largest form, in bytes.
pub const FORM_SIZE_MAX: usize = 16 * 1024;
/// The largest form with a complaint, in bytes: a payment in which every byte is escaped.
pub(super) const LARGE_FORM_SIZE_MAX: usize = 256 * 1024;
/// How many forms above [`FORM_SIZE_MAX`] are read at a time, a quarter of them from one network:
/// they take 256 MiB at most.
pub const LARGE_FORMS_MAX: usize = 1024;
/// The most fields of a form.
pub const FORM_FIELDS_MAX: usize = 32;
/// Characters that are no spaces, and show as nothing: the Braille cell without dots, and two marks
/// of notes.
const BLANKS: [char; 3] = ['\u{2800}', '\u{1d159}', '\u{16fe4}'];
/// How long a form may take.
const FORM_TIME_MAX: Duration = Duration::from_secs(30);

/// The fields of a form.
#[derive(Default)]
pub(super) struct Fields(BTreeMap<String, String>);

/// A form of a person who is logged in.
pub(super) struct Posted<const SIZE: usize = FORM_SIZE_MAX> {
    pub(super) visitor: Visitor,
    pub(super) person: Person,
    pub(super) token: String,
    pub(super) fields: Fields,
}

/// A form of anyone.
pub(super) struct Open {
    pub(super) visitor: Visitor,
    pub(super) fields: Fields,
}

/// Whether a text is one line in which every character shows, and stands where it was written: no
/// control characters, separators of lines, and invisible ones, none of which nothing is known, and
/// none that reverses the direction. Two texts that look alike are then two texts less often.
pub(super) fn is_plain_line(text: &str) -> bool {
    let categories = CodePointMapData::<GeneralCategory>::new();
    let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    let is_hidden = |c: char| {
        ignorable.contains(c)
            || BLANKS.contains(&c)
            || matches!(
                categories.get(c),
                GeneralCategory::Control
                    | GeneralCategory::Format
                    | GeneralCategory::LineSeparator
                    | GeneralCategory::ParagraphSeparator
                    | GeneralCategory::PrivateUse
                    | GeneralCategory::Surrogate
                    | GeneralCategory::Unassigned
            )
    };
    // Most texts are ASCII.
    !text.chars().any(|c| if c.is_ascii() { c.is_ascii_control() } else { is_hidden(c) })
}

impl Fields {
    /// The text of a field without spaces around it; empty if it is missing.
    pub(super) fn text(&self, name: &str) -> &str {
        self.raw(name).trim()
    }

    /// The text of a field as it was sent; empty if it is missing.
    pub(super) fn raw(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// A whole number that a person wrote into a field. `label` is the message with the name of
    /// the field.
    pub(super) fn number(
        &self,
        name: &'static str,
        label: &'static str,
        range: RangeInclusive<u64>,
    ) -> Result<u64, Refused> {
        let number = micromint::protocol::parse_decimal(self.text(name));
        number.filter(|number| range.contains(number)).ok_or_else(|| {
            refuse("error-number")
                .with_words("field", label)
                .with("least", range.start())
                .with("most", range.end())
        })
    }

    /// A whole number that a page wrote into the form.
    pub(super) fn hidden_number(&self, name: &'static str) -> Result<u64, Refused> {
        let number = micromint::protocol::parse_decimal(self.text(name));
        number.ok_or_else(|| refuse("error-form"))
    }

    fn parse(bytes: &[u8]) -> Result<Fields, Refused> {
        let mut fields = BTreeMap::new();
        for (name, value) in url::form_urlencoded::parse(bytes) {
            let is_new = fields.insert(name.into_owned(), value.into_owned()).is_none();
            if !is_new || fields.len() > FORM_FIELDS_MAX {
                return Err(refuse("error-form"));
            }
        }
        // No page asks for such a character, and PostgreSQL keeps none.
        if fields.values().any(|value| value.contains('\0')) {
            return Err(refuse("error-form"));
        }
        Ok(Fields(fields))
    }

    async fn read(
        request: Request,
        size_max: usize,
        place: Option<Taken>,
    ) -> Result<Fields, Refused> {
        Fields::parse(&read_body(request, size_max, place).await?)
    }
}

/// The size of a body by its head.
fn stated_size(request: &Request) -> Option<usize> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Reads the body of a request, of at most this many bytes, in the time that a form may take. If
/// there are places, one is taken when more than [`FORM_SIZE_MAX`] has arrived.
pub(super) async fn read_body(
    request: Request,
    size_max: usize,
    mut place: Option<Taken>,
) -> Result<Vec<u8>, Refused> {
    if stated_size(&request).is_some_and(|size| size > size_max) {
        return Err(refuse("error-too-large"));
    }
    let mut body: Body = request.into_body();
    let mut bytes = Vec::new();
    let end = Instant::now() + FORM_TIME_MAX;
    loop {
        let frame = timeout_at(end, body.frame()).await.map_err(|_| refuse("error-too-slow"))?;
        let Some(frame) = frame else { return Ok(bytes) };
        let frame = frame.map_err(|_| refuse("error-form"))?;
        if let Ok(data) = frame.into_data() {
            if bytes.len() + data.len() > size_max {
                return Err(refuse("error-too-large"));
            }
            bytes.extend_from_slice(&data);
            if let Some(place) = place.as_mut().filter(|_| bytes.len() > FORM_SIZE_MAX) {
                place.grow_to(1).map_err(|_| refuse("error-many-forms"))?;
            }
        }
    }
}

impl<const SIZE: usize> FromRequest<Arc<Shop>> for Posted<SIZE> {
    type Rejection = NotLoggedIn;

    async fn from_request(request: Request, shop: &Arc<Shop>) -> Result<Self, NotLoggedIn> {
        let (mut parts, body) = request.into_parts();
        let LoggedIn { visitor, token, .. } =
            LoggedIn::from_request_parts(&mut parts, shop).await?;
        let request = Request::from_parts(parts, body);
        // Whoever only says that a large form comes takes no place.
        let place = (SIZE > FORM_SIZE_MAX).then(|| {
            let network = visitor.net.as_str().into();
            shop.large_forms.none(&Sender { network, is_known: true })
        });
        let is_large = stated_size(&request).is_some_and(|size| size > FORM_SIZE_MAX);
        if place.as_ref().is_some_and(|place| is_large && place.check(1).is_err()) {
            return Err(NotLoggedIn::Refused(refuse("error-many-forms")));
        }
        let fields = Fields::read(request, SIZE, place).await.map_err(NotLoggedIn::Refused)?;
        // Meanwhile the session may have ended, or the person may have another role.
        let LoggedIn { visitor, person, token } = LoggedIn::again(shop, visitor, token).await?;
        if !random::are_equal(fields.raw("token"), &form_token(&token)) {
            return Err(NotLoggedIn::Refused(refuse("error-token")));
        }
        Ok(Posted { visitor, person, token, fields })
    }
}

impl FromRequest<Arc<Shop>> for Open {
    type Rejection = Refused;

    async fn from_request(request: Request, shop: &Arc<Shop>) -> Result<Open, Refused> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, shop).await?;
        let fields = Fields::read(Request::from_parts(parts, body), FORM_SIZE_MAX, None).await?;
        Ok(Open { visitor, fields })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_line_hides_nothing() {
        for plain in ["", "News & S\u{f6}hne", "\u{5e9}\u{5dc}\u{5d5}\u{5dd}", "\u{2010}"] {
            assert!(is_plain_line(plain), "{plain}");
        }
        for plain in ["a\u{a0}b", "\u{2011}", "\u{20ac} 5", "e\u{301}", "\u{1f600}"] {
            assert!(is_plain_line(plain), "{plain}");
        }
        for hidden in [
            '\n',
            '\u{85}',
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{115f}',
            '\u{1160}',
            '\u{17b4}',
            '\u{17b5}',
            '\u{180b}',
            '\u{180e}',
            '\u{200b}',
            '\u{200f}',
            '\u{2028}',
            '\u{2029}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{2800}',
            '\u{3164}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{ffa0}',
            '\u{fff9}',
            '\u{e000}',
            '\u{378}',
            '\u{ffff}',
            '\u{1bca0}',
            '\u{1d159}',
            '\u{1d173}',
            '\u{e0020}',
            '\u{e0100}',
            '\u{10fffd}',
        ] {
            assert!(!is_plain_line(&format!("PAGE-1{hidden}")), "{hidden:?}");
        }
    }

    #[test]
    fn fields_are_read_once() {
        let fields = Fields::parse(b"a=1&b=%3Cb%3E+x&c=").unwrap();
        assert_eq!((fields.text("a"), fields.text("b"), fields.text("c")), ("1", "<b> x", ""));
        assert_eq!((fields.text("d"), fields.hidden_number("a").unwrap()), ("", 1));
        for wrong in ["a=1&a=2", "a=%00"] {
            assert!(Fields::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
        for wrong in ["a=-1", "a=1.5", "a=", "a=99999999999999999999", "b=1"] {
            let fields = Fields::parse(wrong.as_bytes()).unwrap();
            assert!(fields.hidden_number("a").is_err(), "{wrong}");
            assert!(fields.number("a", "column-count", 0..=u64::MAX).is_err(), "{wrong}");
        }
        for (text, is_good) in [("a=0", false), ("a=1", true), ("a=20", true), ("a=21", false)] {
            let fields = Fields::parse(text.as_bytes()).unwrap();
            assert_eq!(fields.number("a", "column-count", 1..=20).is_ok(), is_good, "{text}");
        }
        let most: String = (0..FORM_FIELDS_MAX).map(|at| format!("f{at}=x&")).collect();
        assert!(Fields::parse(most.as_bytes()).is_ok());
        assert!(Fields::parse(format!("{most}more=x").as_bytes()).is_err());
    }
}
