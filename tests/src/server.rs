//! What every server of these tests provides, whichever program it is, and guarantees that all of
//! them must keep.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use micromint::host::{Clock, DiskDirectory, FixedClock, SystemClock, SystemEntropy};
use micromint::till::{SyncMode, Till};
use micromint::vendor::redemption::unbatched;
use rustix::process::{Pid, Signal, kill_process};

use crate::client::{Connection, RequestText, Response};
use crate::nginx::children_of;
use crate::site::Site;
use crate::{payer, wait_until};

/// A status and the word of `MicroMint-Status`.
pub fn word(status: u16, word: &str) -> (u16, String) {
    (status, word.to_string())
}

/// The results of requesting a target and of paying `count` coins for it.
pub fn asked_and_paid(server: &impl Server, target: &str, count: usize) -> [(u16, String); 2] {
    [server.get(target).short(), server.pay(target, count).short()]
}

/// The expected results where the page is sold at this price.
pub fn sold() -> [(u16, String); 2] {
    [word(402, "unpaid"), word(200, "paid")]
}

/// The coins that a till holds for redemption: those that were recorded and not reversed.
pub fn coins_in(till: &Path) -> u64 {
    let tomorrow = Arc::new(FixedClock(SystemClock.now().plus_seconds(86_400)));
    let directory = Box::new(DiskDirectory::new(till.to_path_buf()));
    let till = Till::open(directory, SyncMode::Os, tomorrow, Arc::new(SystemEntropy)).unwrap();
    unbatched(&till).unwrap().values().map(|period| period.coins).sum()
}

/// A running server.
pub trait Server {
    /// The site behind it.
    fn site(&self) -> &Site;

    /// The process that was started: nginx's master, Apache's parent.
    fn pid(&self) -> Option<Pid>;

    /// Sends a request on a connection of its own.
    fn ask(&self, request: &RequestText) -> Response {
        Connection::open(self.site().port).ask(&request.clone().with("Connection", "close"))
    }

    /// GETs a page.
    fn get(&self, target: &str) -> Response {
        self.ask(&RequestText::get(target))
    }

    /// Pays for a page with `count` fresh coins in the body of a POST.
    fn pay(&self, target: &str, count: usize) -> Response {
        self.ask(&RequestText::post(target, &payer::payment(&self.site().url(target), count)))
    }

    /// Sends a signal to the process that was started.
    fn signal(&self, signal: Signal) {
        kill_process(self.pid().unwrap(), signal).unwrap();
    }

    /// The processes that serve requests: nginx's workers, Apache's children.
    fn children(&self) -> Vec<Pid> {
        self.pid().map(children_of).unwrap_or_default()
    }

    /// The error log.
    fn log(&self) -> String {
        std::fs::read_to_string(self.site().path("logs/error.log")).unwrap_or_default()
    }

    /// The lines of the access log.
    fn access_log(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.site().path("logs/access.log")).unwrap_or_default();
        text.lines().map(str::to_string).collect()
    }
}

/// While a till cannot be written, nothing is sold and the log says so (a line with `logged`);
/// prices and free pages are still served; and the till is reopened once it can be. The server
/// sells everything of the site.
pub fn assert_sells_what_is_recorded_only(server: &impl Server, logged: &str) {
    assert_eq!(server.pay("/one.html", 1).short(), (200, "paid".to_string()));
    let till = server.site().path("till");
    let owner = std::fs::metadata(&till).unwrap();
    std::fs::remove_dir_all(&till).unwrap();
    let request =
        RequestText::post("/one.html", &payer::payment(&server.site().url("/one.html"), 1));
    for _ in 0..6 {
        assert_eq!(server.ask(&request).short(), (503, "unavailable".to_string()));
        assert_eq!(
            server.get("/one.html").short(),
            (402, "unpaid".to_string()),
            "the price is still known"
        );
    }
    assert_eq!(server.get("/free.html").body, "free");
    assert!(server.log().contains(logged), "the log says why: {}", server.log());
    std::fs::create_dir(&till).unwrap();
    std::os::unix::fs::chown(&till, Some(owner.uid()), Some(owner.gid())).unwrap();
    wait_until("the till to be opened again", || server.ask(&request).status == 200);
}

/// A panic at one of `places` ends the request with 500, records nothing, and leaves the serving
/// processes alive. The server has the build of the module that panics on request, and sells
/// everything of the site.
pub fn assert_lives_through_panics(server: &impl Server, places: &[&str], logged: &str) {
    assert_eq!(server.get("/free.html").status, 200);
    let children = server.children();
    for place in places {
        let payment = payer::payment(&server.site().url("/one.html"), 1);
        let request = RequestText::post("/one.html", &payment);
        let answer = server.ask(&request.clone().with("X-Micromint-Panic", place));
        assert_eq!(answer.status, 500, "{place}");
        assert!(!answer.body.contains("content"), "{place}");
        let again = server.ask(&request).short();
        assert_eq!(again, (200, "paid".to_string()), "{place}: nothing was kept");
    }
    assert_eq!(server.children(), children);
    assert!(server.log().contains(logged) && server.log().contains("panic"), "{}", server.log());
}

/// The module that is shipped does not react to the request for a panic.
pub fn assert_knows_no_panic(shipped: &impl Server) {
    let request = RequestText::get("/one.html").with("X-Micromint-Panic", "head");
    assert_eq!(shipped.ask(&request).status, 402);
}
