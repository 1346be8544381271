//! A switch of protocols (101) through a proxy is what was sold.

use std::io::{Read, Write};
use std::net::TcpListener;

use micromint_servers::client::{Connection, RequestText};
use micromint_servers::payer;
use micromint_servers::server::{Server, word};
use micromint_servers::site::Site;
use micromint_servers::wait_until;

use crate::support::on_each;

/// Accepts connections on `port`, switches protocols, and returns what comes then.
fn serve_upgrades(port: u16) {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) > 0 {
                    head.push(byte[0]);
                }
                let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
                if !head.contains("upgrade: websocket") {
                    let _ = stream
                        .write_all(b"HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n");
                    return;
                }
                let answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                    Connection: Upgrade\r\nX-Backend: here\r\n\r\n";
                stream.write_all(answer).unwrap();
                while stream.read(&mut byte).unwrap_or(0) > 0 {
                    let _ = stream.write_all(&byte);
                }
            });
        }
    });
}

#[test]
fn a_switch_of_protocols_is_charged_once() {
    let text = r#"
        LoadModule proxy_wstunnel_module %MODULES%/mod_proxy_wstunnel.so
        MicroMintLog Plain
        ProxyPass /chat http://127.0.0.1:%BACK_PORT%/chat upgrade=websocket
        ProxyPass /tunnel ws://127.0.0.1:%BACK_PORT%/tunnel
        <LocationMatch ^/(chat|tunnel)>
            MicroMintPrice 1
        </LocationMatch>"#;
    on_each(Site::new, text, |apache| {
        serve_upgrades(apache.site().back_port);
        let upgrade = |target: &str| {
            RequestText::get(target)
                .with("Connection", "Upgrade")
                .with("Upgrade", "websocket")
                .with("Sec-WebSocket-Version", "13")
                .with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        };
        for target in ["/chat", "/tunnel"] {
            let ask = |request: &RequestText| Connection::open(apache.site().port).ask(request);
            assert_eq!(ask(&upgrade(target)).short(), word(402, "unpaid"), "{target}");
            let coins = payer::coins_of(payer::mint(), 1);
            let payment = payer::payment_with(payer::mint(), &apache.site().url(target), &coins);
            let mut connection = Connection::open(apache.site().port);
            let switched = connection.ask(&upgrade(target).with_payment(&payment));
            assert_eq!(switched.short(), word(101, "paid"), "{target}: {switched:?}");
            assert_eq!(switched.header("x-backend").unwrap(), "here", "{switched:?}");
            assert!(switched.cookie().is_some(), "{switched:?}");
            // The tunnel carries bytes unchanged, also such as look like an answer.
            let text = b"HTTP/1.1 101 again\r\n\r\n";
            connection.send(text);
            assert_eq!(connection.read(text.len()), text, "{target}");
            drop(connection);
            // The coin is spent, for this and for every other page.
            let other = payer::payment_with(payer::mint(), &apache.site().url("/one.html"), &coins);
            let other = RequestText::get("/one.html").with_payment(&other);
            assert_eq!(apache.ask(&other).short(), word(402, "spent"), "{target}");
            let events = || {
                let log = apache.log();
                let is_it = |line: &&str| line.contains("micromint paid status=101");
                log.lines().filter(is_it).count()
            };
            let expected = if target == "/chat" { 1 } else { 2 };
            wait_until("the event", || events() == expected);
        }
        // What the backend refuses is given back.
        let payment = payer::payment(&apache.site().url("/chat"), 1);
        let refused = apache.ask(&RequestText::get("/chat").with_payment(&payment));
        assert_eq!(refused.short(), word(426, "reversed"));
    });
}
