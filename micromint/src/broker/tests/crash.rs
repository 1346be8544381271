//! A crash at every write of the broker: everything answered survives, nothing is done twice, and
//! the files can be opened.

use super::super::claim::tests::rejected;
use super::*;
use crate::host::Survives;

/// The answers that a client and a vendor have after a run that may have crashed.
#[derive(Default)]
struct Answers {
    sales: Vec<(u64, Option<FundsWithdrawn>)>,
    first: Option<Vec<Verdict>>,
    second: Option<Vec<Verdict>>,
    shown: Option<Vec<Verdict>>,
    back: Option<Vec<Verdict>>,
    settled: Option<bool>,
    is_ruled: bool,
}

struct Story {
    alice: UserId,
    bob: UserId,
    news: VendorId,
    first: RequestRedemption,
    second: RequestRedemption,
    shown: RequestWatch,
    back: RequestCredit,
}

impl Story {
    fn new() -> Story {
        let (alice, bob, news) = (user("alice"), user("bob"), vendor("news.example"));
        let coins = MINT.coins(&alice, &news, 0);
        let first = batch(&news, "b1", &[payment(&alice, &news, "a", &coins[..3])]);
        let second = [
            payment(&alice, &news, "b", &coins[2..4]),
            with_junk(payment(&alice, &news, "c", &coins[4..6])),
        ];
        let back =
            return_of(&alice, "r1", &coins.iter().skip(5).map(|coin| coin[0]).collect::<Vec<_>>());
        let shown = watch(&news, "w1", &second);
        Story { second: batch(&news, "b2", &second), shown, alice, bob, news, first, back }
    }

    /// Sells, watches, redeems, credits, settles and decides a dispute. Each step uses a handle of its own, as a CGI program
    /// would. Ends at the first step that fails.
    fn run(&self, directory: &SimulatedDirectory) -> Answers {
        let mut answers = Answers::default();
        let _ = self.steps(directory, &mut answers);
        answers
    }

    fn steps(
        &self,
        directory: &SimulatedDirectory,
        answers: &mut Answers,
    ) -> Result<(), BrokerError> {
        for (transaction, user) in [(1, &self.alice), (2, &self.bob)] {
            answers.sales.push((transaction, None));
            let funds =
                try_open(directory)?.withdraw(user, 1, transaction, DURING)?.granted().unwrap();
            answers.sales.last_mut().unwrap().1 = Some(funds);
        }
        let mut broker = try_open(directory)?;
        broker.register_vendor(&self.news, DURING)?.granted().unwrap();
        answers.shown = Some(broker.watch(&self.shown, DURING)?.granted().unwrap().result.verdicts);
        answers.first =
            Some(broker.redeem(&self.first, DURING)?.granted().unwrap().result.verdicts);
        answers.second = Some(
            try_open(directory)?.redeem(&self.second, EXPIRED)?.granted().unwrap().result.verdicts,
        );
        answers.back = Some(broker.take_back(&self.back, 9, EXPIRED)?.granted().unwrap().verdicts);
        let mut broker = try_open(directory)?;
        answers.settled = Some(broker.settle(CLOSED)?);
        // Refused if an earlier run decided it.
        let _ = broker.decide_dispute(&self.news, None, Ruling::Pay, CLOSED)?;
        answers.is_ruled = true;
        Ok(())
    }
}

/// Every byte of the files after a run without a crash, except the journal's seed and header.
fn marks(directory: &SimulatedDirectory) -> Vec<Status> {
    let coin_file = CoinFile::open(directory, NAME).unwrap();
    let bins = (0..64).flat_map(|superbin| (0..16).map(move |subbin| Bin { superbin, subbin }));
    bins.map(|bin| coin_file.ball(bin).unwrap().status).collect()
}

#[test]
fn a_crash_at_any_write_loses_no_answer_and_repeats_nothing() {
    let story = Story::new();
    let whole = directory();
    let expected = story.run(&whole);
    let steps = whole.steps();
    assert_eq!(expected.settled, Some(true));
    let expected_status = open(&whole).status().unwrap();
    assert!(
        expected_status.coins.paid == 6 && expected_status.coins.credited > 3,
        "{expected_status:?}"
    );
    for cut in 0..steps {
        let directory = directory();
        directory.crash_after(cut);
        let answers = story.run(&directory);
        assert!(directory.has_crashed(), "{cut}");
        let survivals =
            [Survives::Written, Survives::Synced, Survives::Some(3), Survives::Some(77)];
        for survives in survivals {
            let after = directory.after_crash(survives);
            check_answers(&story, &answers, &after, &format!("cut at {cut}, {survives:?}"));
            // Everyone repeats what was not answered, and the result is that of a run without a
            // crash.
            let again = story.run(&after);
            assert_eq!(again.sales, expected.sales, "{cut} {survives:?}");
            assert_eq!(again.settled, Some(true));
            assert_eq!(open(&after).status().unwrap(), expected_status, "{cut} {survives:?}");
            assert_eq!(marks(&after), marks(&whole), "{cut} {survives:?}");
        }
    }
}

/// What was answered before the crash gets the same answer after it.
fn check_answers(story: &Story, answers: &Answers, after: &SimulatedDirectory, context: &str) {
    // A copy, since asking may change the files.
    let mut broker = open(&after.after_crash(Survives::Written));
    for (transaction, funds) in &answers.sales {
        let owner = if *transaction == 1 { &story.alice } else { &story.bob };
        if let Some(funds) = funds {
            let again = broker.withdraw_again(owner, *transaction).unwrap().granted().unwrap();
            assert_eq!(&again, funds, "{context}");
        }
    }
    // After the settlement, only verdicts that did not wait must be the same.
    let is_settled = broker.ledger.settlement.is_some();
    let alike = |before: &[Verdict], now: Vec<Verdict>| {
        let mut pairs = before.iter().zip(&now);
        assert!(
            pairs.all(|(b, n)| b == n || is_settled && *b == Verdict::Waiting),
            "{context}: {before:?} {now:?}"
        );
    };
    for (request, before) in [(&story.first, &answers.first), (&story.second, &answers.second)] {
        if let Some(before) = before {
            let again = broker.redeem(request, EXPIRED).unwrap().granted().unwrap();
            assert!(again.is_repeated, "{context}");
            alike(before, again.result.verdicts);
        }
    }
    if let Some(before) = &answers.shown {
        let again = broker.watch(&story.shown, EXPIRED).unwrap().granted().unwrap();
        assert!(again.is_repeated, "{context}");
        assert_eq!(&again.result.verdicts, before, "{context}");
    }
    if answers.is_ruled {
        assert_eq!(broker.disputes().unwrap(), [], "{context}");
    }
    if let Some(before) = &answers.back {
        alike(before, take_back(&mut broker, &story.back, EXPIRED));
    }
    if answers.settled.is_some() {
        assert!(is_settled, "{context}");
    }
}

/// The claims of a batch that no record committed do not count, and the next batch overwrites them.
#[test]
fn claims_without_their_record_do_not_count() {
    let story = Story::new();
    let directory = directory();
    let mut broker = open(&directory);
    broker.withdraw(&story.alice, 1, 1, DURING).unwrap().granted().unwrap();
    broker.register_vendor(&story.news, DURING).unwrap().granted().unwrap();
    let left_over: Vec<Claim> = (0..50).map(|i| rejected(Verdict::NotFromOwner, i)).collect();
    broker.claims.write(0, &left_over).unwrap();
    let mut broker = open(&directory);
    assert_eq!(redeem(&mut broker, &story.first, DURING), [Verdict::Accepted; 3]);
    assert!(open(&directory).redeem(&story.first, DURING).unwrap().granted().unwrap().is_repeated);
    assert_eq!(directory.bytes(&format!("{NAME}.claims")).unwrap().len(), 32 * 4);
}

/// After a failed sync the broker may lack records that are on the disk: every operation fails
/// until it is opened again.
#[test]
fn after_a_failed_sync_every_operation_fails_until_reopened() {
    let directory = directory();
    let mut broker = open(&directory);
    let before = directory.steps();
    broker.withdraw(&user("alice"), 1, 1, DURING).unwrap().granted().unwrap();
    let steps = directory.steps() - before;
    for cut in 0..steps {
        let directory = super::directory();
        let mut broker = open(&directory);
        directory.crash_after(cut);
        assert!(broker.withdraw(&user("alice"), 1, 1, DURING).is_err());
        assert!(broker.withdraw_again(&user("alice"), 1).is_err());
        let mut broker = open(&directory.after_crash(Survives::Written));
        assert_eq!(
            broker.withdraw(&user("alice"), 1, 1, DURING).unwrap().granted().unwrap().sets.len(),
            1
        );
        assert_eq!(broker.sets_left(), 31);
    }
}
