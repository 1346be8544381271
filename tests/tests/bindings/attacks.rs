//! What clients, pages and disks do to an application behind a paywall: each test tries it with
//! every application.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use micromint::protocol::{MEDIA_TYPE, Payment};
use micromint_servers::bindings::{Answer, Application, Running, selected};
use micromint_servers::client::RequestText;
use micromint_servers::server::{coins_in, word};
use micromint_servers::site::Site;
use micromint_servers::{free_port, payer, wait_until};

/// A large upload, in bytes.
const UPLOAD: usize = 48 << 20;
/// The memory that an upload may add to a process, in KiB: three quarters of one upload.
const UPLOAD_MEMORY: u64 = 36 << 10;

struct Shop {
    site: Site,
    running: Running,
    name: String,
}

impl Shop {
    fn start(application: Application) -> Shop {
        let listen = format!("127.0.0.1:{}", free_port());
        Shop::start_on(application, &listen, |_, _| {})
    }

    fn start_on(
        application: Application,
        listen: &str,
        prepare: impl FnOnce(&Site, &mut Command),
    ) -> Shop {
        let site = Site::new();
        site.write(
            "shop/vendor.toml",
            "vendor-id = \"localhost\"\norigins = [\"http://localhost\"]\n\
             periods = \"../periods\"\ntill = \"till\"\nsync = \"os\"\nreceipt-time = 3600\n",
        );
        let listen = listen.replace("%FOLDER%", site.folder().to_str().unwrap());
        let running =
            Running::start(application, &site, &listen, |command| prepare(&site, command));
        Shop { site, running, name: application.name() }
    }

    fn ask(&self, request: RequestText) -> Answer {
        self.running.ask(&request)
    }

    fn coins(&self) -> u64 {
        coins_in(&self.site.path("shop/till"))
    }

    /// Fails with what the application wrote.
    fn check<T: PartialEq + std::fmt::Debug>(&self, what: &str, found: T, expected: T) {
        assert_eq!(found, expected, "{}: {what}\n{}", self.name, self.running.log());
    }
}

/// A request for a page of the shop at this price.
fn request(method: &str, target: &str, price: &str) -> RequestText {
    RequestText::new(method, target)
        .with("X-Case-Vendor", "shop")
        .with("X-Case-Client", "192.0.2.1")
        .with("X-Case-Price", price)
}

fn get(target: &str) -> RequestText {
    request("GET", target, "1")
}

fn payment(target: &str) -> Payment {
    payer::payment(&format!("http://localhost{target}"), 1)
}

fn with_body(request: RequestText, content_type: &str, body: &[u8]) -> RequestText {
    let request = RequestText { body: body.to_vec(), ..request };
    request.with("Content-Type", content_type).with("Content-Length", &body.len().to_string())
}

fn chunked(request: RequestText, content_type: &str, body: &[u8]) -> RequestText {
    let mut bytes = Vec::new();
    for chunk in body.chunks(700) {
        bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
        bytes.extend(chunk);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    let request = RequestText { body: bytes, ..request };
    request.with("Content-Type", content_type).with("Transfer-Encoding", "chunked")
}

#[test]
fn a_failing_page_is_not_charged() {
    for application in selected() {
        let shop = Shop::start(application);
        let paid = get("/story").with_payment(&payment("/story"));
        let failed = shop.ask(paid.clone().with("X-Case-Content", "fail"));
        shop.check("fails", failed.short(), word(500, "reversed"));
        shop.check("nothing is recorded", shop.coins(), 0);
        let failed = shop.ask(request("GET", "/story", "0").with("X-Case-Content", "fail"));
        // Go's server closes the connection.
        shop.check("a free page fails too", [0, 500].contains(&failed.status), true);
        let served = shop.ask(paid);
        shop.check("the coins are still good", served.short(), word(200, "paid"));
        shop.check("recorded", shop.coins(), 1);
    }
}

#[test]
fn a_page_that_fails_after_its_head_can_be_fetched_again() {
    for application in selected() {
        let shop = Shop::start(application);
        let paid = get("/story").with_payment(&payment("/story"));
        let cut = shop.ask(paid.clone().with("X-Case-Content", "fail-late"));
        if cut.status == 500 {
            // The server had sent nothing yet.
            shop.check("fails", cut.short(), word(500, "reversed"));
            shop.check("again", shop.ask(paid).short(), word(200, "paid"));
        } else {
            shop.check("head", cut.short(), word(200, "paid"));
            shop.check("the end is missing", cut.body.contains("content"), false);
            shop.check("again", shop.ask(paid).short(), word(200, "retry"));
        }
        shop.check("recorded once", shop.coins(), 1);
    }
}

#[test]
fn a_response_that_cannot_be_sent_is_not_charged() {
    for application in selected() {
        let shop = Shop::start(application);
        let paid = get("/story").with_payment(&payment("/story"));
        for status in ["99", "1000"] {
            let failed = shop.ask(paid.clone().with("X-Case-Content", status));
            shop.check(status, failed.short(), word(500, "reversed"));
            shop.check(status, shop.coins(), 0);
        }
        // Some servers send the response without the field.
        let fields = r#"[["X-Broken", "a\r\nX-Injected: b"]]"#;
        let answer = shop.ask(paid.with("X-Case-Content-Headers", fields));
        let (served, failed) = (word(200, "paid"), word(500, "reversed"));
        shop.check("a field", [&served, &failed].contains(&&answer.short()), true);
        shop.check("charged if served", shop.coins(), u64::from(answer.short() == served));
        shop.check("injected", answer.header("X-Injected"), None);
    }
}

#[test]
fn a_log_that_fails_changes_nothing() {
    for application in selected() {
        let shop = Shop::start(application);
        let unpaid = request("GET", "/story", "7");
        shop.check("unpaid", shop.ask(unpaid.clone()).short(), word(402, "unpaid"));
        let paid = unpaid.with_payment(&payer::payment("http://localhost/story", 7));
        let failed = shop.ask(paid.clone().with("X-Case-Content", "fail"));
        shop.check("fails", failed.short(), word(500, "reversed"));
        let served = shop.ask(paid);
        shop.check("paid", served.short(), word(200, "paid"));
        shop.check("content", served.body, "content".to_string());
        shop.check("recorded", shop.coins(), 7);
    }
}

#[test]
fn content_is_streamed() {
    for application in selected() {
        let shop = Shop::start(application);
        let slow = get("/story").with_payment(&payment("/story")).with("X-Case-Content", "slow");
        let mut stream = shop.running.connect();
        stream.write_all(&slow.with("Connection", "close").to_bytes()).unwrap();
        let (mut bytes, mut first) = (Vec::new(), None);
        let mut chunk = [0; 4096];
        while let Ok(count @ 1..) = stream.read(&mut chunk) {
            bytes.extend_from_slice(&chunk[..count]);
            let text = String::from_utf8_lossy(&bytes);
            if text.contains("second") {
                break;
            }
            if first.is_none() && text.contains("first") {
                first = Some(Instant::now());
            }
        }
        let apart = first.map(|it| it.elapsed()).unwrap_or_default();
        assert!(apart > Duration::from_millis(500), "{}: {apart:?} apart", shop.name);
    }
}

#[test]
fn a_slow_client_delays_nobody() {
    for application in selected() {
        let shop = Shop::start(application);
        // Opens the vendor.
        shop.check("unpaid", shop.ask(get("/story")).short(), word(402, "unpaid"));
        let body = payment("/slow").to_bytes();
        let post = with_body(request("POST", "/slow", "1"), MEDIA_TYPE, &body);
        let bytes = post.with("Connection", "close").to_bytes();
        let (head, tail) = bytes.split_at(bytes.len() - body.len() / 2);
        let mut slow = shop.running.connect();
        slow.write_all(head).unwrap();
        let mut never = shop.running.connect();
        never.write_all(b"GET /story HT").unwrap();
        std::thread::sleep(Duration::from_millis(200));
        // Who had to wait for them would get no answer in the time that the client waits for one.
        shop.check("unpaid", shop.ask(get("/story")).short(), word(402, "unpaid"));
        let paid = get("/story").with_payment(&payment("/story"));
        shop.check("paid", shop.ask(paid).short(), word(200, "paid"));
        slow.write_all(tail).unwrap();
        let answer = Answer::read(&mut *slow, "POST");
        shop.check("the slow one", answer.short(), word(200, "paid"));
        shop.check("recorded", shop.coins(), 2);
    }
}

#[test]
fn a_client_that_leaves_harms_nothing() {
    for application in selected() {
        let shop = Shop::start(application);
        for number in 0..8 {
            let target = format!("/story{number}");
            let paid = get(&target).with_payment(&payment(&target));
            let slow = paid.with("X-Case-Content", if number % 2 == 0 { "slow" } else { "200" });
            let mut stream = shop.running.connect();
            stream.write_all(&slow.with("Connection", "close").to_bytes()).unwrap();
        }
        // Half of a payment.
        let body = payment("/half").to_bytes();
        let post = with_body(request("POST", "/half", "1"), MEDIA_TYPE, &body).to_bytes();
        shop.running.connect().write_all(&post[..post.len() - 20]).unwrap();
        wait_until("an answer", || shop.ask(get("/story")).short() == word(402, "unpaid"));
        let paid = get("/story").with_payment(&payment("/story"));
        shop.check("paid", shop.ask(paid).short(), word(200, "paid"));
    }
}

#[test]
fn a_large_upload_is_not_held_in_memory() {
    for application in selected() {
        let shop = Shop::start(application);
        let small = with_body(request("POST", "/form", "1"), "text/plain", b"form");
        shop.check("unpaid", shop.ask(small.clone()).short(), word(402, "unpaid"));
        let paid = small.with_payment(&payment("/form"));
        shop.check("paid", shop.ask(paid).short(), word(200, "paid"));
        let large = vec![b'a'; UPLOAD];
        // What the server and the application themselves need for it is not the paywall's.
        let free = shop.ask(with_body(request("POST", "/form", "0"), "text/plain", &large));
        shop.check("free", free.seen().map(|(_, size, _)| size), Some(UPLOAD as u64));
        let before = shop.running.memory_peak();
        let answer = shop.ask(with_body(request("POST", "/story", "1"), MEDIA_TYPE, &large));
        shop.check("not a payment", answer.short(), word(413, "bad-request"));
        let form = with_body(request("POST", "/form", "1"), "text/plain", &large);
        shop.check("unpaid", shop.ask(form.clone()).short(), word(402, "unpaid"));
        let answer = shop.ask(form.with_payment(&payment("/form")));
        shop.check("paid", answer.short(), word(200, "paid"));
        let seen = answer.seen().map(|(method, size, _)| (method, size));
        shop.check("content", seen, Some(("POST".to_string(), UPLOAD as u64)));
        // Less if a process has ended meanwhile.
        let used = shop.running.memory_peak().saturating_sub(before);
        assert!(application.holds_bodies || used < UPLOAD_MEMORY, "{}: {used} KiB more", shop.name);
    }
}

#[test]
fn bodies_without_a_length_are_read() {
    for application in selected() {
        let shop = Shop::start(application);
        let body = payment("/story").to_bytes();
        let answer = shop.ask(chunked(request("POST", "/story", "1"), MEDIA_TYPE, &body));
        shop.check("a payment", answer.short(), word(200, "paid"));
        let seen = answer.seen().map(|(method, size, fields)| {
            let framed = ["content-type", "transfer-encoding", "content-length"];
            let framed = framed.iter().filter(|it| fields.iter().any(|field| field == *it)).count();
            (method, size, framed)
        });
        shop.check("as a GET", seen, Some(("GET".to_string(), 0, 0)));
        let form = chunked(request("POST", "/form", "1"), "text/plain", &[b'a'; 5000]);
        let answer = shop.ask(form.with_payment(&payment("/form")));
        shop.check("a form", answer.short(), word(200, "paid"));
        if !application.reads_chunked {
            continue;
        }
        let seen = answer.seen().map(|(method, size, _)| (method, size));
        shop.check("content", seen, Some(("POST".to_string(), 5000)));
        let free = chunked(request("POST", "/form", "0"), "text/plain", &[b'a'; 90_000]);
        let seen = shop.ask(free).seen().map(|(method, size, _)| (method, size));
        shop.check("free", seen, Some(("POST".to_string(), 90_000)));
    }
}

#[test]
fn a_full_disk_is_an_answer() {
    for application in selected() {
        let listen = format!("127.0.0.1:{}", free_port());
        // A small disk that only the application has, at the folder of the vendor.
        let shop = Shop::start_on(application, &listen, |site, command| {
            let disk = site.path("disk");
            std::fs::create_dir(&disk).unwrap();
            let mut inner = Command::new("unshare");
            inner.args(["--user", "--map-root-user", "--mount", "--", "sh", "-c"]);
            inner.arg(
                "mount -t tmpfs -o size=512k tmpfs \"$0\" && cp -r \"$0/../shop\" \"$0/shop\" && \
                 cp -r \"$0/../periods\" \"$0\" && exec \"$@\"",
            );
            inner.arg(&disk).arg(command.get_program());
            // The vendors are in the folder of the disk.
            let arguments: Vec<_> = command.get_args().map(|it| it.to_owned()).collect();
            inner.arg(&arguments[0]).arg(&disk).args(&arguments[2..]);
            for (name, value) in command.get_envs() {
                if let Some(value) = value {
                    inner.env(name, value);
                }
            }
            let log = std::fs::File::options().append(true).open(site.path("logs/application.log"));
            let log = log.unwrap();
            inner.stdout(log.try_clone().unwrap()).stderr(log);
            *command = inner;
        });
        let paid = get("/one").with_payment(&payment("/one"));
        shop.check("paid", shop.ask(paid.clone()).short(), word(200, "paid"));
        let process = shop.running.processes()[0];
        let inside = format!(
            "/proc/{}/root{}/disk/fill",
            process.as_raw_nonzero(),
            shop.site.folder().to_str().unwrap()
        );
        let mut fill = std::fs::File::create(&inside).unwrap();
        while fill.write_all(&[0; 4096]).is_ok() {}
        drop(fill);
        // There may be room in the last block of the journal.
        let mut last = (String::new(), Answer::default());
        for number in 0..40 {
            let target = format!("/two{number}");
            let paid = get(&target).with_payment(&payment(&target));
            last = (target, shop.ask(paid));
            if last.1.status != 200 {
                break;
            }
        }
        shop.check("full", last.1.short(), word(503, "unavailable"));
        shop.check("a price", shop.ask(get("/three")).short(), word(402, "unpaid"));
        std::fs::remove_file(&inside).unwrap();
        wait_until("the till", || {
            let paid = get("/four").with_payment(&payment("/four"));
            shop.ask(paid).short() == word(200, "paid")
        });
        shop.check("again", shop.ask(paid).short(), word(200, "retry"));
    }
}

#[test]
fn requests_leave_no_descriptors_open() {
    for application in selected() {
        let listen = format!("127.0.0.1:{}", free_port());
        let shop = Shop::start_on(application, &listen, |_, command| {
            // SAFETY: setrlimit is safe between fork and exec.
            unsafe {
                command.pre_exec(|| {
                    let limit = rustix::process::Rlimit { current: Some(96), maximum: Some(96) };
                    Ok(rustix::process::setrlimit(rustix::process::Resource::Nofile, limit)?)
                });
            }
        });
        for number in 0..250 {
            let answer = shop.ask(get(&format!("/story{number}")));
            shop.check("unpaid", answer.short(), word(402, "unpaid"));
        }
        for number in 0..20 {
            let target = format!("/paid{number}");
            let paid = get(&target).with_payment(&payment(&target));
            shop.check("paid", shop.ask(paid.clone()).short(), word(200, "paid"));
            let failing = get("/fails").with("X-Case-Content", "fail");
            let failing = failing.with_payment(&payment("/fails"));
            shop.check("fails", shop.ask(failing).short(), word(500, "reversed"));
        }
    }
}

#[test]
fn a_client_without_an_address_is_served() {
    for application in selected() {
        let listen = match application.has_unix_socket {
            true => "unix:%FOLDER%/socket".to_string(),
            false => format!("127.0.0.1:{}", free_port()),
        };
        let shop = Shop::start_on(application, &listen, |_, _| {});
        let from_nowhere = |target: &str| {
            let mut request = get(target).with("X-Case-Free-Views", "2");
            request.headers.retain(|(name, _)| name != "X-Case-Client");
            if application.names_no_client { request } else { request.with("X-Case-Client", "") }
        };
        shop.check("no free view", shop.ask(from_nowhere("/story")).short(), word(402, "unpaid"));
        let paid = from_nowhere("/story").with_payment(&payment("/story"));
        shop.check("paid", shop.ask(paid).short(), word(200, "paid"));
        let known = get("/other").with("X-Case-Free-Views", "2");
        shop.check("a free view", shop.ask(known).short(), word(200, "free-view"));
    }
}

#[test]
fn a_price_out_of_range_is_an_error_and_never_free() {
    for application in selected() {
        let shop = Shop::start(application);
        for price in ["4294967296", "4294967297", "-1", "18446744073709551616", "501", "1.5", "NaN"]
        {
            let answer = shop.ask(request("GET", "/story", price));
            shop.check(price, (answer.status, answer.seen().is_some()), (500, false));
        }
        for views in ["4294967296", "-1"] {
            let answer = shop.ask(get("/story").with("X-Case-Free-Views", views));
            shop.check(views, (answer.status, answer.seen().is_some()), (500, false));
        }
        shop.check("still there", shop.ask(get("/story")).short(), word(402, "unpaid"));
    }
}

#[test]
fn payments_at_the_same_time_are_all_recorded() {
    for application in selected() {
        let shop = Shop::start(application);
        assert_eq!(pay_at_once(&shop, 4, 15), 60, "{}: {}", shop.name, shop.running.log());
        shop.check("recorded", shop.coins(), 60);
    }
}

/// Workers that are forked from a process that has opened the paywall.
#[test]
fn forked_workers_lose_no_payment() {
    for (language, kind) in
        [("python", "uwsgi"), ("python", "gunicorn-preload"), ("ruby", "puma-preload")]
    {
        let Some(application) = selected().into_iter().find(|it| it.language == language) else {
            continue;
        };
        let application = Application { kind, ..application };
        let listen = format!("127.0.0.1:{}", free_port());
        let shop = Shop::start_on(application, &listen, |_, command| {
            command.env("MICROMINT_CASE_OPENED", "shop");
        });
        let payments = pay_at_once(&shop, 4, 40);
        assert_eq!(payments, 160, "{}: {}", shop.name, shop.running.log());
        shop.check("recorded", shop.coins(), 160);
    }
}

/// Pays from several threads, each for pages of its own; returns how many payments were taken.
fn pay_at_once(shop: &Shop, threads: usize, each: usize) -> usize {
    let pay = |thread: usize| {
        let mut paid = 0;
        for number in 0..each {
            let target = format!("/story/{thread}/{number}");
            let request = get(&target).with_payment(&payment(&target));
            paid += usize::from(shop.ask(request).short() == word(200, "paid"));
        }
        paid
    };
    std::thread::scope(|scope| {
        let pay = &pay;
        let all: Vec<_> = (0..threads).map(|it| scope.spawn(move || pay(it))).collect();
        all.into_iter().map(|it| it.join().unwrap()).sum()
    })
}
