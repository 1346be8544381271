//! Apache as one process under valgrind's memcheck. It is slow, so scripts/valgrind-apache.sh runs
//! it.

use std::process::{Command, Stdio};

use micromint_servers::apache::{Mpm, SELLING, module, write_configuration_with};
use micromint_servers::client::{Connection, RequestText};
use micromint_servers::payer;
use micromint_servers::site::Site;
use rustix::process::{Pid, Signal, kill_process};

/// Requests of every kind that a single process can answer.
fn requests(site: &Site) -> Vec<(RequestText, u16)> {
    let get = RequestText::get;
    let pay = |target: &str| RequestText::post(target, &payer::payment(&site.url(target), 1));
    let header = |target: &str| get(target).with_payment(&payer::payment(&site.url(target), 1));
    vec![
        (get("/free.html"), 200),
        (get("/one.html"), 402),
        (get("/one.html").with("Accept", "text/html"), 402),
        (get("/one.html").with("Accept", "application/json"), 402),
        (RequestText::new("HEAD", "/one.html"), 402),
        (RequestText::new("OPTIONS", "/one.html"), 204),
        (pay("/one.html"), 200),
        (header("/one.html"), 200),
        (header("/one.html").with("Range", "bytes=0-3"), 206),
        (header("/one.html").with("Range", "bytes=900-"), 416),
        (header("/one.html").with("If-None-Match", "*"), 304),
        (header("/missing"), 404),
        (pay("/missing"), 404),
        (pay("/old"), 200),
        (pay("/shop/"), 200),
        (pay("/key/one.html"), 200),
        (get("/key/free.html"), 403),
        (get("/error/one.html"), 402),
        (pay("/error/one.html"), 200),
        (get("/whole.shtml"), 200),
        (get("/one.html.mm"), 404),
        (get("/wrong.html"), 500),
        (RequestText::post_bytes("/one.html", b"nonsense"), 402),
        (RequestText::post_bytes("/free.html", b"nonsense"), 200),
        (
            RequestText::post_bytes(
                "/one.html",
                &vec![b'a'; micromint::protocol::PAYMENT_SIZE_MAX + 1],
            ),
            413,
        ),
        (pay("/ht/old"), 200),
        (get("/list/"), 200),
        (get("/counters"), 200),
    ]
}

const PLACES: &str = r#"
MicroMintLog JSON
RewriteEngine On
RewriteRule ^/old$ /one.html [PT]
AddOutputFilter INCLUDES .shtml
<Directory %FOLDER%/www>
    Options +Includes +Indexes +MultiViews
</Directory>
AliasMatch ^/(key|error)/(.*)$ %FOLDER%/www/$2
<Location /key/>
    MicroMint Require
    MicroMintReceiptPath %{REQUEST_URI}
    Require micromint
</Location>
<Location /error/>
    ErrorDocument 402 /message
</Location>
<Location /message>
    SetHandler micromint-message
</Location>
<Location /missing>
    MicroMintPrice %{HTTP:Host}
    <If "true">
        MicroMintPrice 1
    </If>
</Location>
<Location /counters>
    MicroMint Off
    SetHandler micromint-status
</Location>
"#;

#[test]
#[ignore = "minutes: scripts/valgrind-apache.sh"]
fn memcheck_finds_nothing_of_ours() {
    let site = Site::new();
    site.page("shop/index.html", "index", Some("1"));
    site.page("list/page.html", "page", Some("1"));
    site.page("wrong.html", "secret", Some("x"));
    site.page("whole.shtml", r#"<!--#include virtual="/one.html" -->"#, None);
    site.write(
        "www/ht/.htaccess",
        "MicroMintPrice 1\nRewriteEngine On\nRewriteRule ^old$ new.html [L]\n",
    );
    site.page("ht/new.html", "new", Some("1"));
    write_configuration_with(&site, Mpm::Prefork, Some(&module()), &format!("{SELLING}{PLACES}"));
    let log = site.path("logs/valgrind.log");
    let mut server = Command::new("valgrind")
        .args(["--leak-check=full", "--keep-debuginfo=yes", "--num-callers=30"])
        .arg(format!("--log-file={}", log.display()))
        .args(["/usr/sbin/apache2", "-X", "-d"])
        .arg(site.folder())
        .arg("-f")
        .arg(site.path("httpd.conf"))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let start = std::time::Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", site.port)).is_err() {
        assert!(start.elapsed().as_secs() < 120, "apache2 does not start under valgrind");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
    for round in 0..3 {
        for (request, status) in requests(&site) {
            let mut connection = Connection::open(site.port);
            let answer = connection.ask(&request.clone().with("Connection", "close"));
            assert_eq!(
                answer.status, status,
                "round {round}: {} {}",
                request.method, request.target
            );
        }
    }
    kill_process(Pid::from_child(&server), Signal::TERM).unwrap();
    server.wait().unwrap();
    let text = std::fs::read_to_string(log).unwrap();
    // A finding is a paragraph; ours contains one of our functions.
    let findings: Vec<&str> =
        text.split("== \n").filter(|part| part.contains("mod_micromint")).collect();
    let summary = text.lines().find(|line| line.contains("ERROR SUMMARY")).unwrap();
    println!("{summary}; {} findings with the module in them", findings.len());
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}
