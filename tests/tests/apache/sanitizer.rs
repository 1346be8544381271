//! Proof that AddressSanitizer is active when scripts/asan-apache.sh runs the other tests with it.

use std::io::Read;
use std::net::TcpStream;
use std::path::PathBuf;

use micromint_servers::apache::{Apache, Mpm, SELLING, panicking_module};
use micromint_servers::client::RequestText;
use micromint_servers::server::Server;
use micromint_servers::site::Site;
use micromint_servers::wait_until;

#[test]
#[ignore = "needs a module and an Apache with AddressSanitizer: scripts/asan-apache.sh"]
fn a_read_of_freed_memory_is_seen() {
    let folder =
        PathBuf::from(std::env::var_os("MICROMINT_ASAN_LOGS").expect("MICROMINT_ASAN_LOGS"));
    let reports = || {
        let entries = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| std::fs::read_to_string(path).unwrap()).collect::<String>()
    };
    assert_eq!(reports(), "", "before anything was asked");
    let apache = Apache::start_with(Site::new(), Mpm::Event, &panicking_module(), SELLING);
    let request = RequestText::get("/one.html").with("X-Micromint-Panic", "freed");
    let mut stream = TcpStream::connect(("127.0.0.1", apache.site().port)).unwrap();
    std::io::Write::write_all(&mut stream, &request.to_bytes()).unwrap();
    // The sanitizer ends the child: there is no answer.
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty(), "{}", String::from_utf8_lossy(&answer));
    wait_until("the report", || reports().contains("heap-use-after-free"));
    assert!(reports().contains("read_freed_memory"), "{}", reports());
}
