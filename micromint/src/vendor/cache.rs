//! Keeps paid content out of shared caches (RFC 9111, 5.2; RFC 9213).

use std::borrow::Cow;

use crate::scheme::split_outside_quotes;

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
    for directive in values.into_iter().flat_map(split_outside_quotes) {
        let name = directive.split('=').next().unwrap_or_default().trim_end();
        if !["public", "s-maxage", "private"].iter().any(|gone| name.eq_ignore_ascii_case(gone)) {
            let kept = kept.to_mut();
            kept.push_str(", ");
            kept.push_str(directive);
        }
    }
    kept
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
            (&["x=\"a\\\", public, b\", public"], "private, x=\"a\\\", public, b\""),
            (&["x=\"open, public"], "private, x=\"open, public"),
        ] {
            assert_eq!(private_cache_control(values.iter().copied()), expected, "{values:?}");
        }
    }
}
