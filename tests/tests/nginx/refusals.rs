//! Every way in which a payment can be wrong, on a real server. Each is answered with its own
//! reason, nothing is recorded, and the same coins still pay afterwards if they are valid.

use micromint::owner::Owners;
use micromint::protocol::Payment;
use micromint_servers::client::RequestText;
use micromint_servers::nginx::Nginx;
use micromint_servers::owners::UNTIL_LISTS_ARE_DUE;
use micromint_servers::payer;
use micromint_servers::server::Server;
use micromint_servers::site::Site;
use micromint_servers::wait_until;
use rustix::process::Signal;

/// A valid payment for `/two.html`, to be corrupted.
fn right(nginx: &Nginx) -> Payment {
    payer::payment(&nginx.site().url("/two.html"), 2)
}

fn post(nginx: &Nginx, payment: &Payment) -> (u16, String) {
    nginx.ask(&RequestText::post("/two.html", payment)).short()
}

#[test]
fn every_refusal_has_its_reason_and_takes_no_coin() {
    let nginx = Nginx::with_server(Site::new(), "");
    let url = nginx.site().url("/two.html");
    let k = payer::mint().params().raw().coin_size as usize;

    type Spoil = fn(&mut Payment, usize);
    let table: [(&str, Spoil); 10] = [
        ("other-vendor", |payment, _| payment.vendor = "elsewhere.example".parse().unwrap()),
        ("other-page", |payment, _| {
            payment.url = format!("{}?", payment.url.as_str()).parse().unwrap();
        }),
        ("unknown-period", |payment, _| payment.period = "never".parse().unwrap()),
        ("wrong-amount", |payment, k| {
            payment.x.truncate(k);
            payment.coins = 1;
        }),
        ("out-of-range", |payment, _| payment.x[0] = 1 << 56),
        ("repeated-ball", |payment, _| payment.x[1] = payment.x[0]),
        ("fixed-bits", |payment, _| payment.x[0] = outsider(&payment.x)),
        ("user-differences", |payment, _| payment.user = "bob".parse().unwrap()),
        ("vendor-differences", |payment, k| {
            // The last ball of one coin replaced by the other's: correct superbins, a wrong
            // sub-bin.
            let last = same_set_other_subbin(&payment.x, k);
            payment.x[k - 1] = last;
        }),
        ("repeated-coin", |payment, k| {
            let first = payment.x[..k].to_vec();
            payment.x.splice(k.., first);
        }),
    ];
    for (reason, spoil) in table {
        let good = right(&nginx);
        let mut bad = good.clone();
        spoil(&mut bad, k);
        assert_eq!(post(&nginx, &bad), (402, reason.to_string()));
        let answer = nginx.ask(&RequestText::post("/two.html", &bad));
        assert_eq!(answer.short(), (402, reason.to_string()), "a refusal is no record");
        assert_eq!(
            post(&nginx, &good),
            (200, "paid".to_string()),
            "after {reason}: the coins are unmarked"
        );
    }

    // Every difference is correct, but the set starts at an odd superbin: balls that others bought.
    let odd = payer::mint().coins(&"alice".parse().unwrap(), &"localhost".parse().unwrap(), 9);
    let payment = payer::payment_with(payer::mint(), &url, &odd[..2]);
    assert_eq!(post(&nginx, &payment), (402, "user-differences".to_string()));

    for (reason, mint) in [("expired", payer::past_mint()), ("not-yet-valid", payer::future_mint())]
    {
        let payment = payer::payment_with(mint, &url, &payer::coins_of(mint, 2));
        assert_eq!(post(&nginx, &payment), (402, reason.to_string()));
    }
    let unknown = payer::unknown_mint();
    let payment = payer::payment_with(unknown, &url, &payer::coins_of(unknown, 2));
    assert_eq!(post(&nginx, &payment), (402, "unknown-period".to_string()));
}

/// An x whose fixed bits are wrong.
fn outsider(taken: &[u64]) -> u64 {
    let rules = payer::mint().rules();
    (0..).find(|x| rules.bin(*x).is_none() && !taken.contains(x)).unwrap()
}

/// A ball of the superbin of the first coin's last ball, in another sub-bin.
fn same_set_other_subbin(x: &[u64], k: usize) -> u64 {
    let mint = payer::mint();
    let bin = mint.rules().bin(x[k - 1]).unwrap();
    let others = (0..mint.params().subbin_count()).filter(|subbin| *subbin != bin.subbin);
    others
        .filter_map(|subbin| mint.ball(micromint::bin::Bin { subbin, ..bin }))
        .find(|x2| !x.contains(x2))
        .unwrap()
}

#[test]
fn a_coin_is_spent_once() {
    let nginx = Nginx::with_server(Site::new(), "");
    let coins = payer::coins_of(payer::mint(), 3);
    let url = |page: &str| nginx.site().url(page);
    let first = payer::payment_with(payer::mint(), &url("/one.html"), &coins[..1]);
    assert_eq!(
        nginx.ask(&RequestText::post("/one.html", &first)).short(),
        (200, "paid".to_string())
    );
    // The same message again is a retry, served without a charge.
    assert_eq!(
        nginx.ask(&RequestText::post("/one.html", &first)).short(),
        (200, "retry".to_string())
    );
    let other = payer::payment_with(payer::mint(), &url("/two.html"), &coins[..2]);
    assert_eq!(
        nginx.ask(&RequestText::post("/two.html", &other)).short(),
        (402, "spent".to_string())
    );
    // Of the two coins, the unspent one was not recorded.
    let rest = payer::payment_with(payer::mint(), &url("/two.html"), &coins[1..]);
    assert_eq!(
        nginx.ask(&RequestText::post("/two.html", &rest)).short(),
        (200, "paid".to_string())
    );
}

/// The broker's lists: a revoked user, sets that nobody bought, and lists that do not mention the
/// payer.
#[test]
fn the_lists_of_the_broker_hold() {
    let params = payer::mint().params();
    let pay_with = |ending: &str, list: &[u8]| {
        let site = Site::new();
        std::fs::write(site.path(&format!("periods/{}.{ending}", params.period())), list).unwrap();
        Nginx::with_server(site, "").pay("/one.html", 1).short()
    };
    assert_eq!(pay_with("revoked", b"mallory\nalice\n"), (402, "revoked".to_string()));
    assert_eq!(pay_with("owners", &sold_to_others(params, 0)), (402, "not-yet-known".to_string()));
    assert_eq!(pay_with("revoked", b"mallory\n"), (200, "paid".to_string()));
    // Added while the server runs. When its file is removed, it stays in use until a reload.
    let nginx = Nginx::with_server(Site::new(), "");
    let coins = payer::coins_of(payer::mint(), 1);
    let pay = |target: &str| {
        let payment = payer::payment_with(payer::mint(), &nginx.site().url(target), &coins);
        nginx.ask(&RequestText::post(target, &payment)).word()
    };
    assert_eq!(pay("/one.html"), "paid");
    assert_eq!(pay("/one.html?other"), "spent");
    let path = nginx.site().path(&format!("periods/{}.owners", params.period()));
    let new = nginx.site().path("new.owners");
    let all_sets = params.superbin_count() as usize / 2;
    std::fs::write(&new, sold_to_others(params, all_sets)).unwrap();
    std::fs::rename(&new, &path).unwrap();
    // By every worker.
    wait_until("the list of owners to be read", || {
        (0..20).all(|_| pay("/one.html?other") == "not-owner")
    });
    std::fs::remove_file(path).unwrap();
    std::thread::sleep(UNTIL_LISTS_ARE_DUE);
    assert_eq!(pay("/one.html?other"), "not-owner");
    nginx.signal(Signal::HUP);
    wait_until("the list of owners to be forgotten", || pay("/one.html?other") == "spent");
}

/// An owners file in which other users bought the first `sets` sets.
fn sold_to_others(params: &micromint::params::Params, sets: usize) -> Vec<u8> {
    let mut owners = Owners::new(&"localhost".parse().unwrap(), params.period(), 1);
    owners.extend(&vec![[7; 8]; sets]);
    owners.to_bytes()
}

#[test]
fn the_daily_cap_of_a_user_holds() {
    let site = Site::new();
    site.write("vendor.toml", &(site.vendor_toml("till") + "cap = 2\n"));
    let nginx = Nginx::with_server(site, "");
    assert_eq!(nginx.pay("/two.html", 2).short(), (200, "paid".to_string()));
    assert_eq!(nginx.pay("/one.html", 1).short(), (402, "cap-reached".to_string()));
}

#[test]
fn what_is_no_payment_at_all() {
    let nginx = Nginx::with_server(Site::new(), "");
    let good = right(&nginx).to_bytes();
    let mut rows: Vec<(Vec<u8>, u16, &str)> = vec![
        (b"".to_vec(), 402, "malformed"),
        (b"garbage".to_vec(), 402, "malformed"),
        (vec![0xff; 5000], 402, "malformed"),
        (good[..good.len() - 1].to_vec(), 402, "malformed"),
        ([good.as_slice(), b"x"].concat(), 402, "malformed"),
        (
            String::from_utf8_lossy(&good).replace("Payment", "Invalid-Payment").into_bytes(),
            402,
            "malformed",
        ),
    ];
    let limit = micromint::protocol::PAYMENT_SIZE_MAX;
    rows.push((vec![b'a'; limit], 402, "malformed"));
    rows.push((vec![b'a'; limit + 1], 413, "bad-request"));
    for (body, status, word) in rows {
        let answer = nginx.ask(&RequestText::post_bytes("/two.html", &body));
        assert_eq!(answer.short(), (status, word.to_string()), "{} bytes", body.len());
    }
    let header =
        nginx.ask(&RequestText::get("/two.html").with("MicroMint-Payment", "no base64url!"));
    assert_eq!(header.short(), (402, "malformed".to_string()));
    // Two payments in one request: neither is accepted.
    let (one, two) = (right(&nginx), right(&nginx));
    let both = nginx.ask(&RequestText::post("/two.html", &one).with_payment(&two));
    assert_eq!(both.short(), (400, "bad-request".to_string()));
    let twice = nginx.ask(&RequestText::get("/two.html").with_payment(&one).with_payment(&two));
    assert_eq!(twice.short(), (400, "bad-request".to_string()));
    for payment in [one, two] {
        assert_eq!(post(&nginx, &payment), (200, "paid".to_string()));
    }
}

#[test]
fn a_payment_for_a_free_page_is_returned() {
    let nginx = Nginx::with_server(Site::new(), "");
    let payment = payer::payment(&nginx.site().url("/free.html"), 1);
    assert_eq!(
        nginx.ask(&RequestText::post("/free.html", &payment)).seen(),
        (200, "returned".to_string(), "free")
    );
    let header = nginx.ask(&RequestText::get("/free.html").with_payment(&payment));
    assert_eq!(header.seen(), (200, "returned".to_string(), "free"));
    let coins: Vec<Vec<u64>> = vec![payment.x.clone()];
    let spent = payer::payment_with(payer::mint(), &nginx.site().url("/one.html"), &coins);
    assert_eq!(
        nginx.ask(&RequestText::post("/one.html", &spent)).short(),
        (200, "paid".to_string())
    );
}
