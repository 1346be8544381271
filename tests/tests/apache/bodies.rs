//! Bodies of requests that the module looked at, and that belong to the content: it receives every
//! byte, whatever the size, the framing and the maker of the content.

use micromint::protocol::PAYMENT_SIZE_MAX;
use micromint_servers::apache::{Apache, Mpm, SELLING, module};
use micromint_servers::client::{Connection, RequestText};
use micromint_servers::payer;
use micromint_servers::server::{Server, word};
use micromint_servers::site::Site;
use micromint_servers::transport::{self, chunked};

use crate::support::on_each;

/// A script that returns the body of the request.
const ECHO: &str = "#!/bin/sh
body=$(mktemp)
cat > \"$body\"
printf 'Content-Type: text/plain\\r\\n\\r\\n'
cat \"$body\"
rm \"$body\"
";

/// At the size limit of payments, one past it, and several times that.
const SIZES: [usize; 3] = [PAYMENT_SIZE_MAX, PAYMENT_SIZE_MAX + 1, 200_000];

const TEXT: &str = r#"
    Listen 127.0.0.1:%BACK_PORT%
    Listen 127.0.0.1:%TLS_PORT%
    Protocols h2 http/1.1
    AddHandler cgi-script .cgi
    AddHandler act .act
    <Directory %FOLDER%/www/cgi>
        Options +ExecCGI
        DirectoryIndex free.cgi
    </Directory>
    Action act /cgi/free.cgi
    ProxyPass /app/ http://127.0.0.1:%BACK_PORT%/cgi/free.cgi/
    ProxyPass /sold/ http://127.0.0.1:%BACK_PORT%/cgi/free.cgi/
    <Location /sold/>
        MicroMintPrice 1
    </Location>
    Alias /dry/ %FOLDER%/www/cgi/
    <Location /dry/>
        MicroMintDryRun On
    </Location>
    <VirtualHost 127.0.0.1:%BACK_PORT%>
        <Location />
            MicroMint Off
        </Location>
    </VirtualHost>
    <VirtualHost 127.0.0.1:%TLS_PORT%>
        ServerName localhost
        SSLEngine On
        SSLCertificateFile %FOLDER%/tls.crt
        SSLCertificateKeyFile %FOLDER%/tls.key
        ProxyPass /app/ http://127.0.0.1:%BACK_PORT%/cgi/free.cgi/
    </VirtualHost>"#;

fn with_echo() -> Site {
    use std::os::unix::fs::PermissionsExt;
    let site = Site::new();
    site.make_certificate();
    site.page("cgi/free.cgi", ECHO, None);
    site.page("cgi/one.cgi", ECHO, Some("1"));
    site.page("a.act", "an action", None);
    for name in ["free", "one"] {
        let path = site.path(&format!("www/cgi/{name}.cgi"));
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    site
}

/// A text of `size` bytes that is different everywhere.
fn text(size: usize) -> String {
    let mut text = String::new();
    for number in 0.. {
        if text.len() >= size {
            break;
        }
        text.push_str(&format!("{number} "));
    }
    text.truncate(size);
    text
}

/// Fails with the first difference instead of 200 KB.
fn assert_same(found: &str, sent: &str, about: &str) {
    let differs = found.bytes().zip(sent.bytes()).position(|(found, sent)| found != sent);
    assert_eq!((found.len(), differs), (sent.len(), None), "{about}");
}

#[test]
fn a_body_that_is_no_payment_reaches_the_content_whole() {
    on_each(with_echo, TEXT, |apache| {
        for size in SIZES {
            let body = text(size);
            // Free pages, a dry run, an internal redirect, an index, a proxy.
            for target in
                ["/cgi/free.cgi", "/dry/one.cgi", "/dry/free.cgi", "/a.act", "/cgi/", "/app/x"]
            {
                let whole = apache.ask(&RequestText::post_bytes(target, body.as_bytes()));
                assert_eq!(whole.status, 200, "{target}, {size}");
                assert_same(&whole.body, &body, &format!("{target}, {size}"));
                for chunk in [1000, 8192, 100_000] {
                    let mut connection = Connection::open(apache.site().port);
                    connection.send(chunked(target, body.as_bytes(), chunk));
                    let answer = connection.receive("POST");
                    let about = format!("{target}, {size} in chunks of {chunk}");
                    assert_eq!(answer.status, 200, "{about}");
                    assert_same(&answer.body, &body, &about);
                    // The connection continues behind the body.
                    assert_eq!(connection.ask(&RequestText::get("/free.html")).body, "free");
                }
            }
        }
    });
}

#[test]
fn a_body_that_is_compared_reaches_the_content_whole() {
    on_each(with_echo, TEXT, |apache| {
        for size in SIZES {
            let body = text(size);
            for target in ["/cgi/one.cgi", "/sold/x"] {
                let payment = payer::payment(&apache.site().url(target), 1);
                let post = RequestText::new("POST", target)
                    .with_payment(&payment)
                    .with("Content-Type", "text/plain")
                    .with("Content-Length", &size.to_string())
                    .with("Idempotency-Key", "k");
                let post = RequestText { body: body.clone().into_bytes(), ..post };
                let paid = apache.ask(&post);
                let about = format!("{target}, {size}");
                assert_eq!(paid.short(), word(200, "paid"), "{about}");
                assert_same(&paid.body, &body, &about);
                let again = apache.ask(&post);
                if size <= PAYMENT_SIZE_MAX {
                    assert_eq!(again.short(), word(200, "retry"), "{about}");
                    assert_same(&again.body, &body, &about);
                } else {
                    // A body of this size is not compared.
                    assert_eq!(again.short(), word(402, "spent"), "{about}");
                }
            }
        }
    });
}

#[test]
fn bodies_over_http_2_reach_the_content_whole() {
    // With prefork, mod_http2 gives the content no body that comes without a length.
    for mpm in [Mpm::Worker, Mpm::Event] {
        let apache = Apache::start_with(with_echo(), mpm, &module(), &format!("{SELLING}{TEXT}"));
        let site = apache.site();
        for size in SIZES {
            let body = text(size);
            site.write("body", &body);
            let file = format!("@{}", site.path("body").display());
            for target in ["/cgi/free.cgi", "/a.act", "/app/x"] {
                let url = format!("https://localhost:{}{target}", site.tls_port);
                for length in ["X-Length: sent", "Content-Length:"] {
                    let answer = transport::curl(
                        site,
                        &[
                            "--http2",
                            "-H",
                            "Content-Type: application/x-micromint",
                            "-H",
                            length,
                            "--data-binary",
                            &file,
                            &url,
                        ],
                    );
                    let about = format!("{target}, {size}, {length}");
                    assert_eq!(answer.status, 200, "{about}");
                    assert_same(&answer.body, &body, &about);
                }
            }
        }
    }
}
