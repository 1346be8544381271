//! Price files that hold no price: tests of every server.

use crate::server::{Server, word};
use crate::site::Site;

const WITHOUT_PRICE: [(&str, &str); 5] =
    [("empty", ""), ("word", "two\n"), ("many", "501\n"), ("lines", "1\n2\n"), ("minus", "-1\n")];

/// A site with price files that hold no price, and one that holds the price 0.
pub fn site_with_invalid_price_files() -> Site {
    let site = Site::new();
    for (name, price) in WITHOUT_PRICE {
        site.page(&format!("{name}.html"), "secret", Some(price));
    }
    site.page("free0.html", "free after all", Some("0\n"));
    site.page("folder.html", "secret", None);
    std::fs::create_dir(site.path("www/folder.html.mm")).unwrap();
    site.page("long.html", "secret", Some(&" ".repeat(1000)));
    site.page("link.html", "secret", None);
    std::os::unix::fs::symlink("absent", site.path("www/link.html.mm")).unwrap();
    site.page("pipe.html", "secret", None);
    let pipe = site.path("www/pipe.html.mm");
    let mode = rustix::fs::Mode::from_raw_mode(0o644);
    rustix::fs::mknodat(rustix::fs::CWD, pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    site
}

/// A server of [`site_with_invalid_price_files`] closes their pages and logs the reason.
pub fn assert_invalid_price_files_close_pages(server: &impl Server) {
    for name in
        WITHOUT_PRICE.map(|(name, _)| name).into_iter().chain(["folder", "long", "link", "pipe"])
    {
        let answer = server.get(&format!("/{name}.html"));
        assert_eq!(answer.short(), word(500, "unavailable"), "{name}");
        assert!(!answer.body.contains("secret"), "{name}");
    }
    assert_eq!(server.get("/free0.html").body, "free after all");
    assert!(server.log().contains("/word.html"), "{}", server.log());
}
