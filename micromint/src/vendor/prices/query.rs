//! The parameters of a query, as contents may read them.
//!
//! Input: query and path of a request, and parameters that conditions name. Output: whether a
//! parameter is there. The invariant: [`Holds::Yes`] and [`Holds::No`] are what every content says;
//! where contents read a name or a value differently, it is [`Holds::Maybe`].

use std::borrow::Cow;

use super::conditions::{Holds, Parameter};
use crate::vendor::normal_path::escape_at;

/// The largest number of parameters of a query that are compared. With more of them, every
/// condition on the query may hold.
pub(super) const QUERY_PARAMETERS_MAX: usize = 256;
/// The digits of the largest number that every content reads as that number. Of a longer one, some
/// drop the bits that do not fit.
const PLAIN_DIGITS_MAX: usize = 9;

/// The names that contents may take a name for, each in lower case and with `_` for the characters
/// that PHP replaces.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Names<'a> {
    first: Cow<'a, [u8]>,
    others: Vec<Vec<u8>>,
}

/// A parameter of a request.
#[derive(Debug)]
pub(super) struct Sent<'a> {
    /// Its name and value, decoded as forms encode them.
    name: Cow<'a, [u8]>,
    value: Cow<'a, [u8]>,
    /// What contents may take for its name.
    pub(super) names: Names<'a>,
    /// Whether every content finds it, with this name and value.
    is_certain: bool,
    /// Whether contents may find any value in it: an array, or a value with control characters.
    pub(super) has_any_value: bool,
}

/// The parameters of a query.
#[derive(Debug, Default)]
pub(super) struct Query<'a> {
    parameters: Vec<Sent<'a>>,
    /// Whether there are more than are compared.
    pub(super) is_cut: bool,
}

/// A query of which nothing is known: every condition may hold.
pub(super) static UNKNOWN: Query<'static> = Query { parameters: Vec::new(), is_cut: true };

impl<'a> Query<'a> {
    /// The parameters of a query, and those of the query that a rewrite may make of a path: where
    /// `/index.php?q=$uri` is asked for, `/a%26p=17` has a parameter `p`. `path` is what stands
    /// before the query, with a fragment that contents may take for a part of it (`/#?p=17`).
    pub(super) fn parse(path: &[u8], query: &'a [u8]) -> Query<'a> {
        let mut parameters = Vec::new();
        let mut parts = query.split(|byte| *byte == b'&').filter(|part| !part.is_empty());
        for part in parts.by_ref() {
            if parameters.len() >= QUERY_PARAMETERS_MAX {
                return Query { parameters, is_cut: true };
            }
            parameters.push(Sent::new(part));
            // Some contents end a parameter at a semicolon, too.
            if memchr::memchr(b';', part).is_some() {
                let within = part.split(|byte| *byte == b';').filter(|part| !part.is_empty());
                parameters.extend(within.take(QUERY_PARAMETERS_MAX + 1).map(Sent::uncertain));
            }
        }
        if path.iter().any(|byte| matches!(byte, b'%' | b'&' | b';' | b'?')) {
            let path = form_decoded(path);
            let is_end = |byte: &u8| matches!(byte, b'&' | b';' | b'?');
            let within = path.split(is_end).skip(1).filter(|part| !part.is_empty());
            for part in within.take(QUERY_PARAMETERS_MAX + 1) {
                parameters.push(Sent::uncertain(part).into_owned());
            }
        }
        let is_cut = parameters.len() > QUERY_PARAMETERS_MAX;
        Query { parameters, is_cut }
    }

    pub(super) fn parameters(&self) -> &[Sent<'a>] {
        &self.parameters
    }

    /// Whether it has this parameter.
    pub(super) fn has(&self, wanted: &Parameter) -> Holds {
        if self.is_cut {
            return Holds::Maybe;
        }
        let (mut is_found, mut is_other, mut may_be_it) = (false, false, false);
        for sent in self.parameters.iter().filter(|sent| sent.may_be_named(&wanted.names)) {
            let is_certain = sent.is_certain && sent.name == wanted.name;
            match &wanted.value {
                None if is_certain => return Holds::Yes,
                None => may_be_it = true,
                Some(value) => match sent.has_value(value) {
                    Holds::Yes if is_certain => is_found = true,
                    Holds::Yes | Holds::Maybe => may_be_it = true,
                    Holds::No => is_other = true,
                },
            }
        }
        match (is_found, may_be_it) {
            (false, false) => Holds::No,
            (true, false) if !is_other => Holds::Yes,
            _ => Holds::Maybe,
        }
    }
}

impl<'a> Sent<'a> {
    /// A part of a query between `&`.
    fn new(part: &'a [u8]) -> Sent<'a> {
        let (name, value) = match memchr::memchr(b'=', part) {
            Some(at) => (&part[..at], &part[at + 1..]),
            None => (part, &b""[..]),
        };
        let is_certain = memchr::memchr2(b';', b'+', part).is_none() && !has_needless_escape(part);
        let (name, value) = (form_decoded(name), form_decoded(value));
        let names = match &name {
            Cow::Borrowed(name) => Names::of(name),
            Cow::Owned(name) => Names::of(name).into_owned(),
        };
        let has_any_value = memchr::memchr(b'[', &decoded_again(&name)).is_some()
            || value.iter().any(u8::is_ascii_control);
        Sent { name, value, names, is_certain, has_any_value }
    }

    /// A part that only some contents read as a parameter.
    fn uncertain(part: &'a [u8]) -> Sent<'a> {
        Sent { is_certain: false, ..Sent::new(part) }
    }

    fn into_owned(self) -> Sent<'static> {
        Sent {
            name: self.name.into_owned().into(),
            value: self.value.into_owned().into(),
            names: self.names.into_owned(),
            is_certain: self.is_certain,
            has_any_value: self.has_any_value,
        }
    }

    fn may_be_named(&self, wanted: &Names<'_>) -> bool {
        self.names.iter().any(|name| wanted.iter().any(|wanted| name == wanted))
    }

    /// Whether this is its value.
    fn has_value(&self, wanted: &[u8]) -> Holds {
        if self.has_any_value {
            return Holds::Maybe;
        }
        if *self.value == *wanted {
            return Holds::Yes;
        }
        let is_close = match is_number(wanted) {
            true => !self.has_plain_number() || value_key(&self.value) == value_key(wanted),
            false => value_key(&self.value) == value_key(wanted),
        };
        if is_close { Holds::Maybe } else { Holds::No }
    }

    /// Whether its value is a number as every content reads it.
    pub(super) fn has_plain_number(&self) -> bool {
        is_number(&self.value)
            && self.value.len() <= PLAIN_DIGITS_MAX
            && (self.value[0] != b'0' || self.value.len() == 1)
    }

    /// The [`value_key`] of its value.
    pub(super) fn value_key(&self) -> Cow<'_, [u8]> {
        value_key(&self.value)
    }
}

/// Whether it is a whole number without a sign.
pub(super) fn is_number(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

/// What two values have in common that some contents take for the same: letters and digits in
/// lower case, and of a number its digits without leading zeros.
pub(super) fn value_key(value: &[u8]) -> Cow<'_, [u8]> {
    if is_number(value) {
        let zeros = value.iter().take_while(|byte| **byte == b'0').count();
        return value[zeros.min(value.len() - 1)..].into();
    }
    if value.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
        return value.into();
    }
    let decoded = folded(decoded_again(value));
    let kept = decoded.iter().filter(|byte| byte.is_ascii_alphanumeric() || !byte.is_ascii());
    kept.copied().collect::<Vec<u8>>().into()
}

impl<'a> Names<'a> {
    /// The names that contents may take a decoded name for:
    ///
    /// - PHP drops blanks before it, ends it at a NUL, and makes `.`, a blank and a `[` that is not
    ///   closed to `_`;
    /// - `p[]`, `p[x]` and `[p]` are, or are in, an array `p` (PHP, Rack, Express);
    /// - upper and lower case are the same (ASP.NET);
    /// - it may be decoded once more, and `%u0070` be an escape (IIS).
    pub(super) fn of(name: &'a [u8]) -> Names<'a> {
        let is_plain =
            |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_';
        if name.iter().all(is_plain) {
            return Names { first: name.into(), others: Vec::new() };
        }
        let name = folded(decoded_again(name));
        let is_blank = |byte: &u8| *byte == b' ' || byte.is_ascii_control();
        let begin = name.iter().position(|byte| !is_blank(byte)).unwrap_or(name.len());
        let name = &name[begin..];
        let name = &name[..memchr::memchr(0, name).unwrap_or(name.len())];
        let end = name.iter().rposition(|byte| !is_blank(byte)).map_or(0, |at| at + 1);
        // The text that begins first outside or inside of brackets.
        let base = name.split(|byte| matches!(byte, b'[' | b']')).find(|part| !part.is_empty());
        let is_replaced = |byte: &u8| matches!(byte, b'.' | b'[') || is_blank(byte);
        let replaced = |text: &[u8]| -> Vec<u8> {
            text.iter().map(|byte| if is_replaced(byte) { b'_' } else { *byte }).collect()
        };
        let first = replaced(name);
        let mut others = vec![replaced(&name[..end]), replaced(base.unwrap_or_default())];
        others.dedup();
        others.retain(|other| *other != first);
        Names { first: first.into(), others }
    }

    pub(super) fn into_owned(self) -> Names<'static> {
        Names { first: self.first.into_owned().into(), others: self.others }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        std::iter::once(&*self.first).chain(self.others.iter().map(Vec::as_slice))
    }
}

/// A text in lower case, as letters that have the same upper case are the same for some contents.
fn folded(text: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    if text.is_ascii() {
        return text.to_ascii_lowercase().into();
    }
    match std::str::from_utf8(&text) {
        Ok(text) => text.to_uppercase().to_lowercase().into_bytes().into(),
        Err(_) => text.to_ascii_lowercase().into(),
    }
}

/// A decoded text, decoded once more, with the escapes of IIS.
fn decoded_again(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'%', text).is_none() {
        return text.into();
    }
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match (byte, escape_at(after), wide_escape_at(after)) {
            (b'%', Some(decoded), _) => {
                bytes.push(decoded);
                rest = &after[2..];
            }
            (b'%', None, Some(decoded)) => {
                bytes.extend_from_slice(decoded.encode_utf8(&mut [0; 4]).as_bytes());
                rest = &after[5..];
            }
            (byte, ..) => bytes.push(*byte),
        }
    }
    bytes.into()
}

/// The character that `u` and four hexadecimal digits at the start of `text` stand for.
fn wide_escape_at(text: &[u8]) -> Option<char> {
    let digits = text.strip_prefix(b"u").or_else(|| text.strip_prefix(b"U"))?.get(..4)?;
    let high = u32::from(escape_at(digits)?);
    char::from_u32(high << 8 | u32::from(escape_at(&digits[2..])?))
}

/// Whether a text has an escape of a character that needs none (RFC 3986, 2.3): some contents
/// compare names and values without decoding them, such as `$arg_name` of nginx.
fn has_needless_escape(text: &[u8]) -> bool {
    memchr::memchr_iter(b'%', text).any(|at| {
        escape_at(&text[at + 1..]).is_some_and(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
        })
    })
}

/// A name or value of a query, decoded as forms encode it.
pub(super) fn form_decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr2(b'%', b'+', text).is_none() {
        return text.into();
    }
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match (byte, escape_at(after)) {
            (b'%', Some(decoded)) => {
                bytes.push(decoded);
                rest = &after[2..];
            }
            (b'+', _) => bytes.push(b' '),
            (byte, _) => bytes.push(*byte),
        }
    }
    bytes.into()
}
