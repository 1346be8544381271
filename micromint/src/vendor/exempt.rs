//! The paths that are free although a price stands above them.

use super::normal_path::NormalPath;

/// Folders and files that other programs fetch on behalf of the site. A folder ends with a slash.
const EXEMPT: [&str; 6] = [
    "/.well-known/acme-challenge/",
    "/robots.txt",
    "/favicon.ico",
    "/openapi.json",
    "/llms.txt",
    "/license.xml",
];
/// The paths that begin so are the paywall's own.
const OWN: &str = "/.well-known/micromint";

/// Whether paths that must stay free are: `/robots.txt`, `/favicon.ico`, ACME challenges and the
/// paywall's own documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exemptions {
    /// They are free whatever price stands above them.
    Apply,
    /// They cost what other paths cost.
    Ignore,
}

/// Whether a path is free whatever price stands above it. `path` is decoded, as the server maps it
/// to content; all spellings of it have the same answer. A path that contents read differently
/// (with `;`, `\` or an escape that was left) is exempt only if all its readings are.
pub(crate) fn is_exempt(path: &[u8]) -> bool {
    // An escape that the server left, the content may decode: so as if it had been sent.
    is_exempt_path(&NormalPath::of_decoded(path))
        && NormalPath::readings(path).iter().all(is_exempt_path)
}

/// The same for a path in its normal form.
pub(super) fn is_exempt_path(path: &NormalPath<'_>) -> bool {
    let path = path.as_bytes();
    let is_named = |name: &str| match name.ends_with('/') {
        true => path.len() > name.len() && path.starts_with(name.as_bytes()),
        false => path == name.as_bytes(),
    };
    EXEMPT.into_iter().any(is_named) || path.starts_with(OWN.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_paths_are_exempt() {
        for path in [
            "/.well-known/acme-challenge/token",
            "/.well-known/micromint",
            "/.well-known/micromint/prices",
            "/robots.txt",
            "/favicon.ico",
            "/openapi.json",
            "/llms.txt",
            "/license.xml",
            "//robots.txt",
            "/a/../robots.txt",
            "/./favicon.ico",
        ] {
            assert!(is_exempt(path.as_bytes()), "{path}");
        }
        for path in [
            "",
            "/",
            "/.well-known/",
            "/.well-known/acme-challenge/",
            "/.well-known/acme-challenge/../../story",
            "/.well-known/acme-challengestory",
            "/.well-known/micromint/../../story",
            "/robots.txt/",
            "/robots.txt/story",
            "/a/robots.txt",
            "/robots.txt.html",
            "/ROBOTS.TXT",
            "/robots%2etxt",
            "/favicon.ico.gz",
            "/a/openapi.json",
            "/llms-full.txt",
            "/license.xml/a",
            "/.well-known/acme-challenge/..;/..;/story",
            "/.well-known/acme-challenge/..\\..\\story",
            "/.well-known/acme-challenge/..%2f..%2Fstory",
            "/.well-known/micromint/..;x/..;y/story",
        ] {
            assert!(!is_exempt(path.as_bytes()), "{path}");
        }
    }
}
