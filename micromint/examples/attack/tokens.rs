//! Owner tokens and owners files in the wrong hands.

use std::path::Path;

use micromint::host::Directory;
use micromint::owner::{Owners as OwnerTags, owner_tag};
use micromint::protocol::{Payment, Refusal, RequestOutcome};

use super::report::Report;
use super::world::{Mint, Owners, World};

/// How long a paywall takes to notice a new list.
const REREAD_SECONDS: i64 = 60;

/// Tokens and payments that a vendor of the coalition received are useless at another vendor and
/// for another set.
pub(crate) fn replayed(mint: &Mint) -> Report {
    let mut world = World::new(mint);
    let mut report = Report::default();
    let thief = world.member("thief", 1);
    let alice = world.honest_buyer("alice", 2);
    let fence = world.member_shop("fence");
    let honest = world.honest_shop("honest", Owners::Known, 0);
    let coins = alice.coins(&world.rules, &fence.vendor);
    let received = world.pay(&alice, &fence, &coins[..1]);

    // A gift: all balls of alice.
    let mut coins = alice.coins(&world.rules, &honest.vendor);
    coins.retain(|coin| coin[0] != received.x[0]);
    let (of_first, of_second) = (&coins[0], coins.last().unwrap());
    let forge = |coin: &Vec<u64>, page: &str| {
        alice.payment(&world.rules, &honest.vendor, page, std::slice::from_ref(coin))
    };
    let token_here = alice.key.owner_token(&honest.vendor, alice.firsts[0]);
    let thiefs = thief.key.owner_token(&honest.vendor, alice.firsts[0]);
    let authenticator = received.authenticator;
    let mut tries = 0;
    for (coin, token) in [
        // Her token at the other vendor, for the same set.
        (of_first, received.owner_tokens[0]),
        // Her token here, for another set.
        (of_second, token_here),
        // The thief's own.
        (of_first, thiefs),
    ] {
        tries += 1;
        let payment = forge(coin, &format!("try{tries}"));
        let payment = Payment { owner_tokens: vec![token], authenticator, ..payment };
        let outcome = honest.ask(&payment);
        report.expect(outcome == RequestOutcome::Refused(Refusal::NotOwner), || {
            format!("try {tries}: {outcome:?}")
        });
    }
    // Her payment as it was, at another vendor.
    let url = format!("https://{}/try4", honest.vendor).parse().unwrap();
    let copied = Payment { url, vendor: honest.vendor.clone(), ..received.clone() };
    report.expect(!honest.takes(&copied), || "a copied payment is taken".to_string());
    world.hand_in(&fence, &[received]);
    let mine = world.pay(&alice, &honest, std::slice::from_ref(of_first));
    report.expect(honest.ask(&mine) == RequestOutcome::Retry, || "no retry".to_string());
    world.redeem(&honest);
    report.tried =
        format!("{} payments with tokens of another vendor, set or user: all refused", tries + 1);
    world.close(&mut report);
    report
}

/// An older owners file, one for another vendor, and one that the coalition wrote, do not replace
/// the right one, and open nothing.
pub(crate) fn old_file(mint: &Mint) -> Report {
    let mut world = World::new(mint);
    let mut report = Report::default();
    let thief = world.member("thief", 1);
    let shop = world.honest_shop("honest", Owners::Known, 0);
    let path = shop.periods().path().join(shop.owners_name(&world));
    let old = std::fs::read(&path).unwrap();

    // A set sold since is refused, nothing is kept, and with the new file the same payment is good.
    let bob = world.honest_buyer("bob", 1);
    let coins = bob.coins(&world.rules, &shop.vendor);
    let early = bob.payment(&world.rules, &shop.vendor, "early", &coins[..1]);
    let outcome = shop.ask(&early);
    report.expect(outcome == RequestOutcome::Refused(Refusal::NotYetKnown), || {
        format!("a set sold since: {outcome:?}")
    });
    world.update_owners(&shop);
    world.clock.wait(REREAD_SECONDS);
    world.pay(&bob, &shop, &coins[..1]);

    // The thief invents a user, with a tag of his own.
    let token = thief.key.owner_token(&shop.vendor, bob.firsts[0]);
    let period = world.params().period().clone();
    let tags = [0, 2].map(|first| owner_tag(&period, first, &bob.user, &token));
    let mut planted = OwnerTags::new(&shop.vendor, &period, 1);
    planted.extend(&tags);
    let mut of_another = OwnerTags::new(&"another.example".parse().unwrap(), &period, 9);
    of_another.extend(&tags);
    let files = [old, planted.to_bytes(), of_another.to_bytes()];
    let mut taken = 0;
    for (number, file) in files.iter().enumerate() {
        put(&path, file);
        world.clock.wait(REREAD_SECONDS);
        let page = format!("planted{number}");
        let forged = bob.payment(&world.rules, &shop.vendor, &page, &coins[1..2]);
        let forged = Payment {
            owner_tokens: vec![token],
            authenticator: world.random.authenticator(),
            ..forged
        };
        taken += u64::from(shop.takes(&forged));
    }
    report.expect(taken == 0, || format!("{taken} payments taken"));
    world.redeem(&shop);
    report.tried = format!("{} wrong owners files put in place: {taken} coins taken", files.len());
    world.close(&mut report);
    report
}

fn put(path: &Path, bytes: &[u8]) {
    let new = path.with_extension("new");
    std::fs::write(&new, bytes).unwrap();
    std::fs::rename(&new, path).unwrap();
}
