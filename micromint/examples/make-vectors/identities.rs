//! User vectors h'(User-ID) and vendor vectors h''(Vendor-ID).

use super::{json_file, periods};
use micromint::identity::{UserId, UserVector, VendorVector};
use micromint::params::Params;
use serde_json::{Value, json};

const COMMENT: &str = "User vectors and vendor vectors (docs/reference/protocol.md, User \
    vectors and Vendor vectors) in the periods of periods/. A user row has the counter, the \
    differences d_1.., and the set whose first superbin is `first`; a vendor row has the \
    differences e_1.., and the sub-bins of the coin whose first sub-bin is `first`. They detect a \
    wrong parity of the differences, a counter that is never incremented, a missing zero byte, a \
    wrong reduction, and sums that do not wrap around.";

pub(super) fn file() -> (String, Vec<u8>) {
    let longest_user = "a".repeat(40);
    let longest_vendor =
        [&"a".repeat(63), &*"b".repeat(63), &"c".repeat(63), &"d".repeat(61)].join(".");
    let mut rows = Vec::new();
    for params in periods::all() {
        let last = params.superbin_count() as u32 - 2;
        rows.push(user(&params, "alice", 0, "a plain name"));
        rows.push(user(&params, "bob", last, "the last even superbin: the set wraps around"));
    }
    let params = periods::test();
    rows.push(user(&params, "a.b_c@d+e-f0", 8, "every kind of character"));
    rows.push(user(&params, &longest_user, 8, "the longest User-ID"));
    rows.push(user(&params, "x", 8, "the shortest User-ID"));
    for counter in [1, 2] {
        rows.push(user(
            &params,
            &name_with_counter(&params, counter),
            8,
            "superbins repeat for the counters before",
        ));
    }
    let eight = periods::eight();
    rows.push(user(
        &eight,
        &name_with_counter(&eight, 6),
        8,
        "several counters do not fit where k is large and u small",
    ));

    for params in periods::all() {
        rows.push(vendor(&params, "news.example", 0, "a plain name"));
        rows.push(vendor(
            &params,
            "shop.example",
            params.subbin_count() - 1,
            "from the last sub-bin: the sum wraps around",
        ));
    }
    for (id, why) in [
        (longest_vendor.as_str(), "the longest Vendor-ID"),
        ("127.0.0.1", "an IPv4 address"),
        ("[2001:db8::1]", "an IPv6 address, brackets included"),
        ("xn--bcher-kva.example", "an internationalised name as A-labels"),
        ("localhost", "a single label"),
    ] {
        rows.push(vendor(&params, id, 3, why));
    }
    json_file("identities.json", COMMENT, &rows)
}

/// The first of user0, user1, … whose vector needs at least this counter.
fn name_with_counter(params: &Params, counter: u8) -> String {
    let takes = |name: &UserId| UserVector::new(params, name).unwrap().counter() >= counter;
    let names = (0..).map(|i| format!("user{i}").parse::<UserId>().unwrap());
    names.into_iter().find(takes).unwrap().to_string()
}

fn user(params: &Params, id: &str, first: u32, why: &str) -> Value {
    let vector = UserVector::new(params, &id.parse().unwrap()).unwrap();
    json!({
        "kind": "user", "period": params.period().as_str(), "id": id, "counter": vector.counter(),
        "differences": vector.differences(), "first": first, "superbins": vector.set(first),
        "why": why,
    })
}

fn vendor(params: &Params, id: &str, first: u32, why: &str) -> Value {
    let vector = VendorVector::new(params, &id.parse().unwrap());
    json!({
        "kind": "vendor", "period": params.period().as_str(), "id": id, "counter": 0,
        "differences": vector.differences(), "first": first, "subbins": vector.subbins(first),
        "why": why,
    })
}
