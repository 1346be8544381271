//! Who asks for a page: a session by its cookie, a language, and a network.
//!
//! Input: the headers of a request. Output: a visitor. The invariants: only the SHA-256 of a
//! session's token is stored; a session ends by logout, by its list, by a new password, by age and
//! by disuse.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::{ACCEPT_LANGUAGE, COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use micromint::identity::UserId;
use micromint::money::{Currency, Money, signed_in_words};
use micromint::time::UnixTime;

use super::answer::{Refused, refuse, to};
use super::people::{Person, Role};
use super::view::Frame;
use super::words::{Language, Words};
use super::{Shop, people, random, style};

/// The longest cookie header that is read, in bytes.
const COOKIES_LEN_MAX: usize = 8 * 1024;
/// The number of characters of a session's token.
const TOKEN_LEN: usize = 64;
/// The cookie with the language.
pub(super) const LANGUAGE_COOKIE: &str = "micromint-language";

/// Who asks.
#[derive(Clone)]
pub(super) struct Visitor {
    /// The words of the visitor's language.
    pub(super) words: Words,
    /// The network that the request comes from: a /24 of IPv4, a /56 of IPv6.
    pub(super) net: String,
    /// Who is logged in, with the session's token.
    pub(super) login: Option<(Person, String)>,
}

/// A person who is logged in.
pub(super) struct LoggedIn {
    pub(super) visitor: Visitor,
    pub(super) person: Person,
    /// The session's token.
    pub(super) token: String,
}

/// Sends people who are not logged in to the login.
pub(super) enum NotLoggedIn {
    /// To the login.
    To(Response),
    /// Something failed.
    Refused(Refused),
}

impl IntoResponse for NotLoggedIn {
    fn into_response(self) -> Response {
        match self {
            NotLoggedIn::To(response) => response,
            NotLoggedIn::Refused(refused) => refused.into_response(),
        }
    }
}

impl Visitor {
    /// A visitor of whom nothing is known but the language.
    pub(super) fn nobody(headers: &HeaderMap) -> Visitor {
        Visitor { words: language(headers).words(), net: String::new(), login: None }
    }

    /// The visitor that a request comes from.
    pub(super) async fn of(
        shop: &Shop,
        headers: &HeaderMap,
        peer: Option<SocketAddr>,
    ) -> Result<Visitor, Refused> {
        let mut visitor = Visitor::nobody(headers);
        visitor.net = shop.network(headers, peer.map(|peer| peer.ip()));
        if let Some(token) = cookie(headers, cookie_name(shop)).filter(|it| it.len() == TOKEN_LEN) {
            let person = people::session(shop.service.store(), token, shop.service.now()).await?;
            visitor.login = person.map(|person| (person, token.to_string()));
        }
        Ok(visitor)
    }

    /// What is around a page for this visitor.
    pub(super) fn frame(&self, shop: &Shop) -> Frame {
        let words = self.words;
        let mut menu = Vec::new();
        let mut add = |address: &str, text: String| menu.push((address.to_string(), text));
        if let Some((person, _)) = &self.login {
            add("/", words.get("menu-overview"));
            add("/buy", words.get("menu-buy"));
            add("/purchases", words.get("menu-purchases"));
            add("/vendor", words.get("menu-vendor"));
            add("/complaints", words.get("complaints-title"));
            add("/account", words.get("menu-account"));
            if person.role != Role::None {
                add("/operator", words.get("menu-operator"));
            }
        } else {
            add("/login", words.get("login-title"));
            if shop.settings.registration {
                add("/register", words.get("register-title"));
            }
        }
        let (token, user) = match &self.login {
            Some((person, token)) => (form_token(token), person.user.to_string()),
            None => Default::default(),
        };
        let (base, broker) = (shop.base.clone(), shop.settings.name.clone());
        let (style, script) = (style::NAME.clone(), style::SCRIPT_NAME.clone());
        Frame { words, base, broker, style, script, token, user, menu }
    }

    /// An amount of money as people of this language write it, with at least two decimals.
    pub(super) fn money(&self, units: u64, currency: Currency) -> String {
        self.decimals(Money::new(units, currency).in_words())
    }

    /// An amount of money that may be negative.
    pub(super) fn signed_money(&self, units: i128, currency: Currency) -> String {
        self.decimals(signed_in_words(units, currency))
    }

    /// An amount with the decimal sign of this language.
    fn decimals(&self, amount: String) -> String {
        match self.words.language() {
            Language::English => amount,
            Language::German => amount.replacen('.', ",", 1),
        }
    }

    /// A time, in UTC to the minute.
    pub(super) fn time(&self, time: UnixTime) -> String {
        let text = time.to_string();
        match (text.get(..10), text.get(11..16)) {
            (Some(day), Some(minute)) => format!("{day} {minute} UTC"),
            _ => text,
        }
    }
}

impl FromRequestParts<Arc<Shop>> for Visitor {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Shop>) -> Result<Visitor, Refused> {
        parts.extensions.get::<Visitor>().cloned().ok_or_else(|| refuse("error-broker"))
    }
}

impl FromRequestParts<Arc<Shop>> for LoggedIn {
    type Rejection = NotLoggedIn;

    async fn from_request_parts(
        parts: &mut Parts,
        shop: &Arc<Shop>,
    ) -> Result<LoggedIn, NotLoggedIn> {
        let visitor = Visitor::from_request_parts(parts, shop).await;
        let visitor = visitor.map_err(NotLoggedIn::Refused)?;
        match visitor.login.clone() {
            Some((person, token)) => Ok(LoggedIn { visitor, person, token }),
            None => Err(NotLoggedIn::To(to(shop, "/login?note=login-first"))),
        }
    }
}

impl LoggedIn {
    /// The person of a session as it is now, if it has not ended meanwhile.
    pub(super) async fn again(
        shop: &Shop,
        mut visitor: Visitor,
        token: String,
    ) -> Result<LoggedIn, NotLoggedIn> {
        let person = people::session(shop.service.store(), &token, shop.service.now()).await;
        let person = person.map_err(|error| NotLoggedIn::Refused(error.into()))?;
        let Some(person) = person else {
            return Err(NotLoggedIn::To(to(shop, "/login?note=login-first")));
        };
        visitor.login = Some((person.clone(), token.clone()));
        Ok(LoggedIn { visitor, person, token })
    }
}

/// The user whose session a request has, for the interface for programs. A POST that another site
/// caused has none.
pub(crate) async fn session_user(
    shop: &Shop,
    headers: &HeaderMap,
    is_write: bool,
) -> Result<Option<UserId>, crate::store::StoreError> {
    if is_write && super::answer::is_of_other_site(shop, headers) {
        return Ok(None);
    }
    let token = cookie(headers, cookie_name(shop)).filter(|token| token.len() == TOKEN_LEN);
    let Some(token) = token else { return Ok(None) };
    let person = people::session(shop.service.store(), token, shop.service.now()).await?;
    Ok(person.map(|person| person.user))
}

/// The token of the forms of a session.
pub(super) fn form_token(token: &str) -> String {
    random::hex(&random::derived(token.as_bytes(), "micromint form token"))
}

/// The cookie with the session's token. Browsers accept the prefix with TLS only.
pub(super) fn cookie_name(shop: &Shop) -> &'static str {
    if shop.is_secure() { "__Host-micromint" } else { "micromint" }
}

/// The header field that sets the cookie with the session's token, or ends it.
pub(super) fn session_cookie(shop: &Shop, token: Option<&str>) -> (HeaderName, HeaderValue) {
    let (value, age) = match token {
        Some(token) => (token, people::SESSION_SECONDS_MAX),
        None => ("", 0),
    };
    let secure = if shop.is_secure() { "; Secure" } else { "" };
    let text = format!(
        "{}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Lax{secure}",
        cookie_name(shop)
    );
    let empty = HeaderValue::from_static("");
    (axum::http::header::SET_COOKIE, HeaderValue::try_from(text).unwrap_or(empty))
}

/// The value of a cookie.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let fields = headers.get_all(COOKIE).iter().filter_map(|field| field.to_str().ok());
    let fields = fields.filter(|field| field.len() <= COOKIES_LEN_MAX);
    let pairs = fields.flat_map(|field| field.split(';')).filter_map(|pair| pair.split_once('='));
    let mut found = pairs.filter(|(found, _)| found.trim() == name).map(|(_, value)| value.trim());
    // A cookie that comes twice was set by someone else.
    found.next().filter(|_| found.next().is_none())
}

fn language(headers: &HeaderMap) -> Language {
    let chosen = cookie(headers, LANGUAGE_COOKIE).and_then(Language::of);
    let accepted = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    chosen.unwrap_or_else(|| Language::preferred(accepted.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_cookie_counts_once() {
        let read = |field: &str| cookie(&headers(&[("cookie", field)]), "m").map(str::to_string);
        assert_eq!(read("a=b; m=1; c=d"), Some("1".to_string()));
        assert_eq!(read("m=1; m=2"), None);
        assert_eq!(read("mm=1"), None);
        let longest = format!("m=1; x={}", "y".repeat(COOKIES_LEN_MAX - 7));
        assert_eq!(read(&longest), Some("1".to_string()));
        assert_eq!(read(&format!("{longest}y")), None);
    }
}
