//! What the webmaster sees of sales: counters, log lines, and dry runs.

use micromint_servers::client::RequestText;
use micromint_servers::nginx::Nginx;
use micromint_servers::payer;
use micromint_servers::server::Server;
use micromint_servers::site::Site;
use micromint_servers::twins::price_of;
use micromint_servers::wait_until;
use rustix::process::Signal;

const STATUS: &str = "micromint_config vendor.toml;
    server { %SERVER% micromint on; location = /status { micromint off; micromint_status; } }";

/// The value of a counter.
fn counter(nginx: &Nginx, name: &str) -> u64 {
    let text = nginx.get("/status").body;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
}

fn outcome(nginx: &Nginx, word: &str) -> u64 {
    counter(nginx, &format!("micromint_requests_total{{outcome=\"{word}\"}}"))
}

#[test]
fn counters_are_shared_by_all_workers_and_survive_a_reload_and_a_crash() {
    let nginx = Nginx::start(Site::new(), STATUS);
    let status = nginx.get("/status");
    assert_eq!(status.header("content-type").unwrap(), "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(status.header("cache-control").unwrap(), "no-store");
    for _ in 0..6 {
        assert_eq!(nginx.pay("/two.html", 2).status, 200);
        assert_eq!(nginx.get("/two.html").status, 402);
        assert_eq!(nginx.get("/free.html").status, 200);
    }
    assert_eq!(nginx.pay("/two.html", 1).word(), "wrong-amount");
    let are_counted = |nginx: &Nginx| {
        let seen = ["paid", "unpaid", "wrong-amount", "free", "returned", "reversed"]
            .map(|word| outcome(nginx, word));
        (seen == [6, 6, 1, 0, 0, 0]) && counter(nginx, "micromint_coins_total") == 12
    };
    wait_until("the counters", || are_counted(&nginx));
    nginx.reload(STATUS);
    assert!(are_counted(&nginx), "after a reload: {}", nginx.get("/status").body);
    for worker in nginx.workers() {
        rustix::process::kill_process(worker, Signal::KILL).unwrap();
    }
    wait_until("new workers", || nginx.workers().len() == 2);
    assert!(are_counted(&nginx), "after workers were killed: {}", nginx.get("/status").body);
    let missing =
        RequestText::get("/missing.html").with_payment(&payer::payment(&nginx.site().url("/"), 1));
    assert_eq!(nginx.ask(&missing).short(), (404, "returned".to_string()));
    wait_until("the count of a returned payment", || outcome(&nginx, "returned") == 1);
}

#[test]
fn events_are_written_where_the_webmaster_says() {
    let site = Site::new();
    let nginx = Nginx::start(
        site,
        "micromint_config vendor.toml; micromint_log json logs/sales.json;
         server { %SERVER% micromint on;
             location /plain/ { alias %FOLDER%/www/; micromint_log plain logs/sales.log; }
             location /error/ { alias %FOLDER%/www/; micromint_log plain; }
             location /none/ { alias %FOLDER%/www/; micromint_log off; } }",
    );
    for place in ["", "/plain", "/error", "/none"] {
        assert_eq!(nginx.pay(&format!("{place}/one.html"), 1).word(), "paid");
    }
    assert_eq!(nginx.get("/free.html").status, 200);
    assert_eq!(nginx.get("/one.html?\"\\x").status, 402);
    let read = |name: &str| std::fs::read_to_string(nginx.site().path(name)).unwrap_or_default();
    wait_until("the events", || read("logs/sales.json").lines().count() == 2);
    let port = nginx.site().port;
    let (json, plain) = (read("logs/sales.json"), read("logs/sales.log"));
    let mut lines: Vec<_> = json.lines().collect();
    // Two workers write in any order.
    lines.sort_by_key(|line| line.contains("unpaid"));
    let time = r#"{"time":"2"#;
    assert!(lines.iter().all(|line| line.starts_with(time) && line.ends_with('}')), "{json}");
    let paid = format!(
        r#"","micromint":"paid","status":200,"price":1,"coins":1,"user":"alice","period":"now","url":"http://localhost:{port}/one.html"}}"#
    );
    assert!(lines[0].ends_with(&paid), "{json}");
    let unpaid = format!(
        r#"","micromint":"unpaid","status":402,"price":1,"coins":0,"url":"http://localhost:{port}/one.html?%22%5Cx"}}"#
    );
    assert!(lines[1].ends_with(&unpaid), "{json}");
    let (time, line) = plain.trim_end().split_once(' ').unwrap();
    assert!(time.starts_with('2') && time.contains('T'), "{plain}");
    let words = |page: &str| {
        format!(
            "micromint paid status=200 price=1 coins=1 user=alice period=now url=http://localhost:{port}/{page}/one.html"
        )
    };
    assert_eq!(line, words("plain"));
    assert!(nginx.log().contains(&words("error")), "{}", nginx.log());
    assert!(!(json + &plain + &nginx.log()).contains("/none/one.html\""), "off is off");
    // As with every log of nginx: moved away, and reopened on a signal.
    std::fs::rename(nginx.site().path("logs/sales.json"), nginx.site().path("logs/sales.json.1"))
        .unwrap();
    nginx.signal(Signal::USR1);
    wait_until("the new file", || nginx.site().path("logs/sales.json").exists());
    wait_until("its workers", || {
        assert_eq!(nginx.get("/one.html").status, 402);
        read("logs/sales.json").contains("unpaid")
    });
}

#[test]
fn a_dry_run_charges_nothing_and_is_counted_apart() {
    let in_earnest = format!("micromint_log plain logs/sales.log; {STATUS}");
    let dry = in_earnest.replace("micromint on;", "micromint on; micromint_dry_run on;");
    let nginx = Nginx::start(Site::new(), &dry);
    assert_eq!(nginx.get("/two.html").seen(), (200, String::new(), "content for two"));
    let payment = payer::payment(&nginx.site().url("/two.html"), 2);
    let post = RequestText::post("/two.html", &payment);
    for _ in 0..2 {
        assert_eq!(nginx.ask(&post).seen(), (200, "returned".to_string(), "content for two"));
    }
    let wrong = payer::payment(&nginx.site().url("/two.html"), 1);
    assert_eq!(nginx.ask(&RequestText::post("/two.html", &wrong)).seen().2, "content for two");
    let manifest = nginx.get("/.well-known/micromint");
    assert!(manifest.body.contains("\"vendor-id\": \"localhost\""), "{manifest:?}");
    let would = |word: &str| {
        counter(&nginx, &format!("micromint_dry_run_requests_total{{outcome=\"{word}\"}}"))
    };
    wait_until("the counters", || {
        [would("unpaid"), would("paid"), would("wrong-amount")] == [1, 2, 1]
    });
    assert_eq!((outcome(&nginx, "paid"), counter(&nginx, "micromint_coins_total")), (0, 0));
    let log = std::fs::read_to_string(nginx.site().path("logs/sales.log")).unwrap();
    assert_eq!(log.lines().filter(|line| line.contains(" dry-run=1 ")).count(), 4, "{log}");
    // After the next reload it is no longer a dry run; the coins used before are still unspent.
    nginx.reload(&in_earnest);
    assert_eq!(nginx.get("/two.html").status, 402);
    assert_eq!(nginx.ask(&post).seen(), (200, "paid".to_string(), "content for two"));
    wait_until("the count", || counter(&nginx, "micromint_coins_total") == 2);
}

#[test]
fn a_dry_run_does_not_hide_the_lower_price_of_what_is_found() {
    let tried = "location /tried/ { micromint_price 5; micromint_dry_run on; \
                 try_files /none /two.html; }";
    let nginx = Nginx::with_server(Site::new(), tried);
    let unpaid = nginx.get("/tried/x");
    assert_eq!((unpaid.status, unpaid.word()), (402, "unpaid".to_string()), "{unpaid:?}");
    assert_eq!(price_of(&unpaid), Some(2));
    assert_eq!(nginx.pay("/tried/x", 2).seen(), (200, "paid".to_string(), "content for two"));
}

#[test]
fn the_page_is_as_the_webmaster_wants_it() {
    let site = Site::new();
    let vendor =
        site.vendor_toml("till") + "page = \"page.html\"\ndescription = \"News & views\"\n";
    site.write("vendor.toml", &vendor);
    let page = |title: &str| {
        format!(
            "<!doctype html><html lang=de><title>{title}</title><img src=/logo.png alt=''>\
             <p class=\"price\">{{{{ coins }}}} f\u{fc}r {{{{ description }}}}</p>\
             {{{{#refusal}}}}<p role=alert>{{{{ reason }}}}</p>{{{{/refusal}}}}</html>"
        )
    };
    site.write("page.html", &page("Bitte zahlen"));
    let nginx = Nginx::start(site, STATUS);
    let asked = |request: RequestText| nginx.ask(&request.with("Accept", "text/html"));
    let answer = asked(RequestText::get("/two.html"));
    assert_eq!(
        (answer.status, answer.header("content-type").unwrap().as_str()),
        (402, "text/html; charset=utf-8")
    );
    for piece in ["<title>Bitte zahlen</title>", "2 coins f\u{fc}r News &amp; views</p>"] {
        assert!(answer.body.contains(piece), "{piece} in {}", answer.body);
    }
    assert!(!answer.body.contains("role=alert"), "{}", answer.body);
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.contains("'self'") && !policy.contains("script-src"), "{policy}");
    let refused =
        asked(RequestText::post("/two.html", &payer::payment(&nginx.site().url("/two.html"), 1)));
    assert!(refused.body.contains("<p role=alert>wrong-amount</p>"), "{}", refused.body);
    // A changed page takes effect with a reload; an invalid one is found by nginx's test and does
    // not.
    nginx.site().write("page.html", &page("Jetzt neu"));
    nginx.reload(STATUS);
    assert!(asked(RequestText::get("/two.html")).body.contains("Jetzt neu"));
    nginx.site().write("page.html", "<p>\n {{ colour }}");
    let output = micromint_servers::nginx::nginx(nginx.site(), &["-t"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("page.html:2:2: unknown placeholder"),
        "{said}"
    );
    assert!(asked(RequestText::get("/two.html")).body.contains("Jetzt neu"), "what runs goes on");
}

#[test]
fn a_language_is_added_by_a_file_and_a_reload() {
    let site = Site::new();
    site.write("vendor.toml", &(site.vendor_toml("till") + "page = \"page.html\"\n"));
    site.write("page.fr.html", "<p>Prix : {{ price }}");
    let nginx = Nginx::start(site, STATUS);
    let asked = |language: &str| {
        let request = RequestText::get("/two.html").with("Accept", "*/*");
        let answer = nginx.ask(&request.with("Accept-Language", language));
        (answer.header("content-language").unwrap(), answer.body)
    };
    // Nobody has translated the amounts, which are in the form that is the same for all.
    assert_eq!(asked("fr-CA"), ("fr".to_string(), "<p>Prix : 0.02 USD".to_string()));
    assert_eq!(asked("de").0, "de");
    assert_eq!(asked("it").0, "en");
    let log = std::fs::read_to_string(nginx.site().path("logs/error.log")).unwrap();
    assert!(log.contains("page.fr.html: these texts are shown in English"), "{log}");
    let words = "+++\n[money.USD]\nwhole = '{n} dollars'\ncents = { one = '{n} centime', other = '{n} centimes' }\n+++\n";
    nginx.site().write("page.fr.html", &format!("{words}<p>Prix : {{{{ price }}}}"));
    nginx.reload(STATUS);
    assert_eq!(asked("fr").1, "<p>Prix : 2 centimes");
    nginx.site().write("page.fr.html", &words.replace("other", "autre"));
    let output = micromint_servers::nginx::nginx(nginx.site(), &["-t"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let is_named = said.contains("page.fr.html:4:") && said.contains("unknown key `autre`");
    assert!(!output.status.success() && is_named, "{said}");
}

#[test]
fn no_log_holds_a_key_an_authenticator_or_a_coin() {
    let nginx = Nginx::start(
        Site::new(),
        "micromint_config vendor.toml; micromint_log json logs/sales.json;
         server { %SERVER% micromint on; location /error/ { alias %FOLDER%/www/; micromint_log plain; } }",
    );
    let payment = payer::payment(&nginx.site().url("/one.html"), 1);
    let cookie = nginx.ask(&RequestText::post("/one.html", &payment)).cookie().unwrap();
    nginx.ask(&RequestText::get("/one.html").with("Cookie", &cookie));
    nginx.ask(&RequestText::get("/error/one.html").with_payment(&payment));
    nginx.ask(&RequestText::post_bytes("/error/one.html", b"MicroMint-1.0\r\nPayment\r\nno more"));
    let read = |name: &str| std::fs::read_to_string(nginx.site().path(name)).unwrap_or_default();
    wait_until("the events", || {
        read("logs/sales.json").lines().count() == 2 && nginx.log().contains("malformed")
    });
    let all = read("logs/sales.json") + &nginx.log() + &nginx.access_log().concat();
    let coins = micromint_servers::client::base64url(&payment.to_bytes());
    let secrets = [
        payment.authenticator.to_string(),
        cookie.split_once('=').unwrap().1.to_string(),
        coins[coins.len() - 60..].to_string(),
    ];
    for secret in secrets {
        assert!(!all.contains(&secret), "{secret} in {all}");
    }
}
