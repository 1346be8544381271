//! Finds challenges in the value of `WWW-Authenticate` (RFC 9110, 11.6.1): one list of schemes and
//! their parameters, with commas possible inside quoted strings. Other lists of header fields are
//! split alike.

use super::{Challenge, SCHEME};

/// The longest field value that is examined, in bytes.
const FIELD_LEN_MAX: usize = 64 * 1024;

/// The challenges of the scheme "Payment" in one value of `WWW-Authenticate`, in order. Challenges
/// of other schemes, and those with a missing or repeated parameter, are ignored.
pub fn challenges_in(value: &str) -> Vec<Challenge> {
    if value.len() > FIELD_LEN_MAX {
        return Vec::new();
    }
    let mut found: Vec<Option<Challenge>> = Vec::new();
    for item in split_outside_quotes(value) {
        let (scheme, parameter) = split_scheme(item);
        if let Some(scheme) = scheme {
            found.push(scheme.eq_ignore_ascii_case(SCHEME).then(Challenge::default));
        }
        // A parameter belongs to the latest challenge; an invalid one discards that challenge.
        if let (Some(last), false) = (found.last_mut(), parameter.is_empty())
            && let Some(challenge) = last
            && set(challenge, parameter).is_none()
        {
            *last = None;
        }
    }
    found.into_iter().flatten().filter(is_complete).collect()
}

fn is_complete(challenge: &Challenge) -> bool {
    let needed =
        [&challenge.id, &challenge.realm, &challenge.method, &challenge.intent, &challenge.request];
    needed.iter().all(|value| !value.is_empty())
}

/// The items between commas; a comma in a quoted string does not separate items.
pub(crate) fn split_outside_quotes(value: &str) -> Vec<&str> {
    let (mut items, mut start) = (Vec::new(), 0);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, byte) in value.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b',' if !is_quoted => {
                items.push(&value[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    items.push(&value[start..]);
    items.into_iter().map(str::trim).filter(|item| !item.is_empty()).collect()
}

/// Splits an item, which is `scheme`, `scheme parameter` or `parameter`. A scheme is a token
/// followed by a space or the end, not by `=`.
fn split_scheme(item: &str) -> (Option<&str>, &str) {
    let end = item.bytes().position(|byte| !is_token(byte)).unwrap_or(item.len());
    let (token, rest) = item.split_at(end);
    let rest = rest.trim_start();
    if token.is_empty() || rest.starts_with('=') { (None, item) } else { (Some(token), rest) }
}

/// Whether a byte can be in a token (RFC 9110, 5.6.2).
pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Sets one parameter, given as `name=value`. `None` if it is malformed or repeated.
fn set(challenge: &mut Challenge, parameter: &str) -> Option<()> {
    let (name, value) = parameter.split_once('=')?;
    let value = unquoted(value.trim())?;
    let required = match name.trim().to_ascii_lowercase().as_str() {
        "id" => &mut challenge.id,
        "realm" => &mut challenge.realm,
        "method" => &mut challenge.method,
        "intent" => &mut challenge.intent,
        "request" => &mut challenge.request,
        name => return set_optional(challenge, name, value),
    };
    if !required.is_empty() {
        return None;
    }
    *required = value;
    Some(())
}

fn set_optional(challenge: &mut Challenge, name: &str, value: String) -> Option<()> {
    let optional = match name {
        "expires" => &mut challenge.expires,
        "digest" => &mut challenge.digest,
        "description" => &mut challenge.description,
        "opaque" => &mut challenge.opaque,
        "header" => &mut challenge.header,
        // The draft may grow: unknown parameters are ignored.
        _ => return Some(()),
    };
    if optional.is_some() {
        return None;
    }
    *optional = Some(value);
    Some(())
}

/// The value of a token or of a quoted string.
fn unquoted(text: &str) -> Option<String> {
    let Some(inner) = text.strip_prefix('"') else {
        return (!text.is_empty() && text.bytes().all(is_token)).then(|| text.to_string());
    };
    let inner = inner.strip_suffix('"')?;
    let (mut value, mut chars) = (String::with_capacity(inner.len()), inner.chars());
    while let Some(c) = chars.next() {
        match c {
            '\\' => value.push(chars.next()?),
            '"' => return None,
            c => value.push(c),
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str =
        r#"Payment id="a", realm="r", method="micromint", intent="charge", request="e30""#;

    fn ids(value: &str) -> Vec<String> {
        challenges_in(value).into_iter().map(|challenge| challenge.id).collect()
    }

    #[test]
    fn challenges_are_found_among_others_and_read_back() {
        let one = &challenges_in(ONE)[0];
        assert_eq!(challenges_in(&one.to_string()), std::slice::from_ref(one));
        let odd = Challenge { description: Some("a, \"b\" \\ =c".into()), ..one.clone() };
        assert_eq!(challenges_in(&odd.to_string()), [odd]);
        for (value, expected) in [
            (ONE.to_string(), &["a"][..]),
            (ONE.replace("Payment", "payment"), &["a"]),
            (ONE.replace("Payment", "PaymentX"), &[]),
            (format!("Basic realm=\"x, Payment id=\", {ONE}"), &["a"]),
            (format!("Negotiate abc==, {ONE}, Bearer"), &["a"]),
            (format!("{ONE}, {}", ONE.replace("\"a\"", "b")), &["a", "b"]),
            (ONE.replace("\"a\"", "\"\""), &[]),
            (ONE.replace("id=", "ID = "), &["a"]),
            (format!("{ONE}, later=\"x\""), &["a"]),
            (format!("{ONE}, id=\"c\""), &[]),
            (format!("{ONE}, expires=\"x\", expires=\"y\""), &[]),
            (format!("{ONE}, opaque=\"x"), &[]),
            (format!("{ONE}, opaque=a b"), &[]),
            (ONE.replace(", request=\"e30\"", ""), &[]),
            (format!("id=\"z\", {ONE}"), &["a"]),
            (String::new(), &[]),
            (",,\"".to_string(), &[]),
            (format!("{ONE}{}", " ".repeat(FIELD_LEN_MAX)), &[]),
        ] {
            assert_eq!(ids(&value), expected, "{value:.200}");
        }
    }
}
