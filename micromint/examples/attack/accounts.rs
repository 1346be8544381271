//! Two accounts whose names differ in letter case only.

use micromint::identity::UserId;
use micromint::protocol::{Payment, Verdict};

use super::report::Report;
use super::world::{Mint, World, count};

/// `Alice` is no User-ID: no account has it, no message may carry it, and the broker sells to none.
pub(crate) fn letter_case(mint: &Mint) -> Report {
    let mut world = World::new(mint);
    let mut report = Report::default();
    let alice = world.honest_buyer("alice", 1);
    let fence = world.member_shop("fence");
    let names = ["Alice", "ALICE", "alicE"];
    for name in names {
        report.expect(name.parse::<UserId>().is_err(), || format!("{name} is a User-ID"));
        let coins = alice.coins(&world.rules, &fence.vendor);
        let payment = alice.payment(&world.rules, &fence.vendor, "page", &coins[..1]);
        let text = String::from_utf8(payment.to_bytes()).unwrap();
        let renamed = text.replace("User-ID: alice", &format!("User-ID: {name}"));
        report.expect(Payment::parse(renamed.as_bytes()).is_err(), || {
            format!("a payment of {name} is read")
        });
        // The name in a payment record, which is binary.
        let mut record = payment.record().to_bytes();
        let at = record.windows(5).position(|bytes| bytes == b"alice").unwrap();
        record[at..at + 5].copy_from_slice(name.as_bytes());
        let verdicts = world.hand_in_records(&fence, &[record]);
        report.expect(count(&verdicts, Verdict::Malformed) == 1, || format!("{verdicts:?}"));
    }
    report.tried = format!("{} spellings of alice as other accounts: all refused", names.len());
    world.close(&mut report);
    report
}
