//! Keeps paid content out of shared caches (RFC 9111, 5.2; RFC 9213).

use std::borrow::Cow;

/// Answer header fields that make shared caches store an answer whatever Cache-Control says. A
/// server removes them from a paid answer.
pub(super) const SHARED_CACHE_HEADERS: [&str; 5] = [
    "CDN-Cache-Control",
    "Cloudflare-CDN-Cache-Control",
    "Surrogate-Control",
    "X-Accel-Expires",
    "Edge-Control",
];

/// The Cache-Control of a paid answer, from the values that it would otherwise have: `private` is
/// added; `public`, `s-maxage` and `private` for single fields are removed; everything else stays
/// in its order.
pub(super) fn private_cache_control<'a>(
    values: impl IntoIterator<Item = &'a str>,
) -> Cow<'static, str> {
    let mut kept = Cow::Borrowed("private");
    for directive in values.into_iter().flat_map(directives) {
        let name = directive.split('=').next().unwrap_or_default().trim_end();
        if !["public", "s-maxage", "private"].iter().any(|gone| name.eq_ignore_ascii_case(gone)) {
            let kept = kept.to_mut();
            kept.push_str(", ");
            kept.push_str(directive);
        }
    }
    kept
}

/// The parts of a value between commas; a comma in a quoted string does not separate parts.
fn directives(value: &str) -> Vec<&str> {
    let (mut parts, mut start, mut is_quoted) = (Vec::new(), 0, false);
    for (at, byte) in value.bytes().enumerate() {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b',' if !is_quoted => {
                parts.push(&value[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&value[start..]);
    parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::private_cache_control;

    #[test]
    fn shared_caches_are_told_to_stay_out_and_nothing_else_is_lost() {
        for (values, expected) in [
            (&[][..], "private"),
            (&["max-age=60"], "private, max-age=60"),
            (&["public, max-age=60"], "private, max-age=60"),
            (&["Public , S-MaxAge=5,s-maxage = 7, immutable"], "private, immutable"),
            (&["no-store"], "private, no-store"),
            (&["private"], "private"),
            (&["max-age=1", "no-cache"], "private, max-age=1, no-cache"),
            (&["private=\"Set-Cookie, X\", max-age=2"], "private, max-age=2"),
            (&["no-cache=\"a, public\", public"], "private, no-cache=\"a, public\""),
            (&[",, ,"], "private"),
            (&["x=\"open, public"], "private, x=\"open, public"),
        ] {
            assert_eq!(private_cache_control(values.iter().copied()), expected, "{values:?}");
        }
    }
}
