//! The paths that are free although a price stands above them.

/// Folders and files that other programs fetch on behalf of the site. A folder ends with a slash.
const EXEMPT: [&str; 3] = ["/.well-known/acme-challenge/", "/robots.txt", "/favicon.ico"];
/// The paths that begin so are the paywall's own.
const OWN: &str = "/.well-known/micromint";

/// Whether a path is free whatever price stands above it. `path` is decoded and normalised, as the
/// server maps it to content.
///
/// ```
/// use micromint::vendor::gate::is_exempt;
///
/// assert!(is_exempt(b"/robots.txt") && !is_exempt(b"/robots.txt/story"));
/// ```
pub fn is_exempt(path: &[u8]) -> bool {
    // A server normalises paths; one that did not must not open a page by it.
    if path.split(|byte| *byte == b'/').any(|part| part == b"..") {
        return false;
    }
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
            "//robots.txt",
            "/favicon.ico.gz",
        ] {
            assert!(!is_exempt(path.as_bytes()), "{path}");
        }
    }
}
