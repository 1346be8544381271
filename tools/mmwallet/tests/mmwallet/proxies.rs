//! Proxies, as curl and browsers use them, and hosts with several addresses.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::os::fd::OwnedFd;
use std::process::Output;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType};

use super::site::Site;
use super::{Home, status, stderr, stdout};

fn get(home: &Home, variables: &[(&str, &str)], args: &[&str]) -> Output {
    let mut command = home.command("mmwallet");
    command.envs(variables.iter().copied()).arg("get").args(args).output().unwrap()
}

/// A plain http request through a proxy has its absolute URL, and the proxy's login; https asks for
/// a tunnel.
#[test]
fn plain_http_has_an_absolute_url_and_https_a_tunnel() {
    let (home, proxy) = (Home::new(), Site::start());
    let address = format!("http://us%20er:pass@127.0.0.1:{}", proxy.port);
    for variables in [
        vec![("http_proxy", address.as_str())],
        vec![("ALL_PROXY", &address)],
        vec![("all_proxy", &address), ("HTTP_PROXY", "http://127.0.0.1:1")],
    ] {
        let output = get(&home, &variables, &["http://news.example:81/text?a=b"]);
        assert_eq!((status(&output), stdout(&output).as_str()), (0, "hello\n"), "{output:?}");
        let asked = &proxy.take()[0];
        assert_eq!(
            (asked.method.as_str(), asked.target.as_str()),
            ("GET", "http://news.example:81/text?a=b")
        );
        assert_eq!(asked.headers["host"], "news.example:81");
        assert_eq!(asked.headers["proxy-authorization"], "Basic dXMgZXI6cGFzcw==");
    }
    for variable in ["https_proxy", "HTTPS_PROXY", "ALL_PROXY"] {
        let output = get(&home, &[(variable, &address)], &["https://news.example/text"]);
        assert_eq!(status(&output), 7, "{output:?}");
        let asked = &proxy.take()[0];
        assert_eq!((asked.method.as_str(), asked.target.as_str()), ("CONNECT", "news.example:443"));
    }
    let output = get(&home, &[], &["-x", &address, "http://news.example/text"]);
    assert_eq!(stdout(&output), "hello\n");
    assert_eq!(proxy.take().len(), 1);
}

/// Neither this machine nor an exception goes through a proxy, and each variable is for its scheme.
#[test]
fn what_no_proxy_is_for_goes_through_none() {
    let (home, proxy, site) = (Home::new(), Site::start(), Site::start());
    let address = format!("http://127.0.0.1:{}", proxy.port);
    let all =
        [("http_proxy", address.as_str()), ("HTTPS_PROXY", &address), ("ALL_PROXY", &address)];
    for host in ["127.0.0.1", "localhost", "a.localhost", "127.0.0.2"] {
        for args in [vec![], vec!["-x", address.as_str()]] {
            let url = format!("http://{host}:{}/text", site.port);
            get(&home, &all, &[&[url.as_str()], args.as_slice()].concat());
        }
    }
    let direct = [
        vec![("HTTPS_PROXY", address.as_str())],
        vec![("HTTP_PROXY", &address)],
        vec![("http_proxy", &address), ("NO_PROXY", "nowhere.invalid")],
        vec![("http_proxy", &address), ("no_proxy", "*")],
    ];
    for variables in direct {
        let output = get(&home, &variables, &["http://nowhere.invalid/text"]);
        assert_eq!(status(&output), 7, "{variables:?} {output:?}");
    }
    assert_eq!(proxy.take(), []);
    assert!(site.take().len() >= 6);
}

#[test]
fn a_malformed_proxy_is_told_and_nothing_is_sent() {
    let (home, site) = (Home::new(), Site::start());
    for (name, value) in [
        ("http_proxy", "http://user:secret@"),
        ("HTTPS_PROXY", "gopher://user:secret@proxy.example"),
        ("ALL_PROXY", "http://user:secret@proxy.example:99999"),
    ] {
        let output = get(&home, &[(name, value)], &[&site.url("/text")]);
        assert_eq!(status(&output), 1, "{output:?}");
        let error = stderr(&output);
        assert!(error.contains(&format!("{name}: expected a proxy such as")), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
    assert_eq!(site.take(), []);
}

/// A port that listens on `::1`, and is taken on 127.0.0.1, where it refuses connections: no server
/// of another test gets it.
fn half_open_port() -> Option<(TcpListener, OwnedFd)> {
    loop {
        let listener = TcpListener::bind("[::1]:0").ok()?;
        let refusing = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, listener.local_addr().unwrap().port());
        match rustix::net::bind(&refusing, &address) {
            Ok(()) => return Some((listener, refusing)),
            Err(Errno::ADDRINUSE) => continue,
            Err(error) => panic!("{address}: {error}"),
        }
    }
}

/// `localhost` has two addresses. One that refuses costs none of the 30 seconds for a connection.
#[test]
fn every_address_of_a_host_is_tried() {
    let home = Home::new();
    let Some((listener, _refusing)) = half_open_port() else {
        eprintln!("this machine has no IPv6: nothing is tried");
        return;
    };
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
        std::io::Write::write_all(&mut stream, answer).unwrap();
        std::io::Read::read(&mut stream, &mut [0; 1024]).unwrap();
    });
    let began = std::time::Instant::now();
    let output = get(&home, &[], &[&format!("http://shop.localhost:{port}/")]);
    assert_eq!((status(&output), stdout(&output).as_str()), (0, "ok"), "{output:?}");
    assert!(began.elapsed() < std::time::Duration::from_secs(30));
    server.join().unwrap();
}

/// `-k` is for this machine only.
#[test]
fn insecure_is_for_this_machine() {
    let home = Home::new();
    let output = get(&home, &[], &["-k", "https://news.example/"]);
    assert_eq!(status(&output), 1, "{output:?}");
    assert!(stderr(&output).contains("-k works only for this machine"), "{output:?}");
}
