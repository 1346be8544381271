//! Spending coins, retries, reversals and caps.

use super::*;

#[test]
fn would_records_nothing() {
    let (directory, clock) = (SimulatedDirectory::new(), noon());
    let till = open(&directory, &clock);
    id_of(pay(&[1]).spend(&till).unwrap());
    let journal = || directory.bytes("till-2026-12-01.journal").unwrap();
    let before = journal();
    assert_eq!(pay(&[2]).would(&till).unwrap(), None);
    assert_eq!(pay(&[2]).capped(1).would(&till).unwrap(), Some(Spent::CapReached));
    assert_eq!(pay(&[1]).would(&till).unwrap(), Some(Spent::Retry { recorded_at: clock.now() }));
    assert_eq!(pay(&[2, 1]).into_another(9).would(&till).unwrap(), Some(Spent::AlreadySpent));
    clock.pass(86_400);
    assert_eq!(pay(&[2]).capped(1).would(&till).unwrap(), None, "the cap is for one day");
    assert_eq!(journal(), before);
    assert_eq!(
        directory.names().unwrap().iter().filter(|name| name.ends_with(".journal")).count(),
        1
    );
    assert!(matches!(pay(&[]).would(&till), Err(TillError::Spend { .. })));
}

#[test]
fn a_coin_is_spent_once_and_the_same_payment_is_a_retry() {
    let (directory, clock) = (SimulatedDirectory::new(), noon());
    let till = open(&directory, &clock);
    id_of(pay(&[1, 2]).spend(&till).unwrap());
    let recorded_at = clock.now();
    clock.pass(3600);
    assert_eq!(pay(&[1, 2]).spend(&till).unwrap(), Spent::Retry { recorded_at });
    assert_eq!(
        till.find_retry(&pay(&[1]).period, pay(&[1]).bins[0], &[1; 32], 3600).unwrap(),
        Some(recorded_at)
    );
    assert_eq!(
        till.find_retry(&pay(&[1]).period, pay(&[1]).bins[0], &[2; 32], 3600).unwrap(),
        None
    );
    assert_eq!(
        till.find_retry(&"other".parse().unwrap(), pay(&[1]).bins[0], &[1; 32], 3600).unwrap(),
        None
    );
    assert_eq!(pay(&[2]).into_another(2).spend(&till).unwrap(), Spent::AlreadySpent);
    assert_eq!(pay(&[3, 2]).into_another(2).spend(&till).unwrap(), Spent::AlreadySpent);
    id_of(pay(&[3]).into_another(2).spend(&till).unwrap());
    id_of(pay(&[1, 2]).of("2027-01").spend(&till).unwrap());
    clock.pass(1);
    assert_eq!(pay(&[1, 2]).spend(&till).unwrap(), Spent::AlreadySpent);
    let expected = TillTotals {
        payments: 3,
        coins: 5,
        retries: 2,
        reversals: 0,
        over_cap: 0,
        already_spent: 3,
    };
    assert_eq!(till.totals(), expected);
}

#[test]
fn try_spend_records_only_what_needs_no_waiting() {
    let (directory, clock) = (SimulatedDirectory::new(), noon());
    let till = open_with(&directory, SyncMode::Os, &clock).unwrap();
    let try_spend = |payment: &Pay| payment.try_spend(&till).map(id_of);
    assert_eq!(
        try_spend(&pay(&[1])),
        None,
        "the first payment of a day creates a journal, that of a period an index"
    );
    id_of(pay(&[1]).spend(&till).unwrap());
    let id = try_spend(&pay(&[2, 3])).unwrap();
    let coins: Vec<u32> = (100..100 + TRY_SPEND_COINS_MAX as u32 + 1).collect();
    assert!(try_spend(&pay(&coins[1..])).is_some());
    let mut large = pay(&[4]);
    large.message = vec![b'x'; PAYMENT_SIZE_MAX + 1];
    for (payment, why) in [
        (pay(&[2]).into_another(2), "a spent coin"),
        (pay(&[2, 3]), "a retry"),
        (pay(&[4, 3]), "a spent coin after an unspent one"),
        (pay(&coins), "too many coins"),
        (pay(&[]), "no coins"),
        (pay(&[4]).capped(9), "a cap"),
        (pay(&[4]).of("2027-01"), "another period"),
        (large, "a message too large"),
    ] {
        assert_eq!(try_spend(&payment), None, "{why}");
    }
    assert_eq!(till.reverse(id).unwrap(), Reversal::Reversed);
    assert_eq!(try_spend(&pay(&[2])), None, "a coin of a reversed payment");
    id_of(pay(&[2]).spend(&till).unwrap());
    let other = open(&directory, &clock);
    id_of(pay(&[5]).spend(&other).unwrap());
    assert_eq!(try_spend(&pay(&[5])), None, "spent by another process");
    {
        let lock = directory.open(LOCK_NAME, Open::Write).unwrap();
        let _held = ExclusiveLock::new(lock.as_ref()).unwrap();
        assert_eq!(try_spend(&pay(&[6])), None, "the lock is held");
    }
    assert!(try_spend(&pay(&[6])).is_some());
    assert_eq!(pay(&[6]).try_spend(&other), None, "SyncMode::Always");
    clock.pass(86_400);
    assert_eq!(try_spend(&pay(&[7])), None, "a new day");
    id_of(pay(&[7]).spend(&till).unwrap());
    assert!(try_spend(&pay(&[8])).is_some());
    assert_eq!(till.totals().coins, 1 + 2 + TRY_SPEND_COINS_MAX as u64 + 4);
    for coin in [1, 2, 5, 6, 7, 8, 101] {
        assert_eq!(
            pay(&[coin]).into_another(9).spend(&other).unwrap(),
            Spent::AlreadySpent,
            "{coin}"
        );
    }
    directory.remove(LOCK_NAME).unwrap();
    assert_eq!(try_spend(&pay(&[9])), None, "the lock file is gone");
}

#[test]
fn a_reversal_frees_the_coins_and_is_void_after_a_retry() {
    let (directory, clock) = (SimulatedDirectory::new(), noon());
    let till = open(&directory, &clock);
    let id = id_of(pay(&[1, 2]).spend(&till).unwrap());
    assert_eq!(till.reverse(id).unwrap(), Reversal::Reversed);
    assert_eq!(till.reverse(id).unwrap(), Reversal::Void);
    let again = id_of(pay(&[2]).spend(&till).unwrap());
    assert_ne!(again, id);
    assert_eq!(till.reverse(id).unwrap(), Reversal::Void);
    assert!(matches!(pay(&[2]).spend(&till).unwrap(), Spent::Retry { .. }));
    assert_eq!(till.reverse(again).unwrap(), Reversal::Void);
    assert_eq!(pay(&[2]).into_another(2).spend(&till).unwrap(), Spent::AlreadySpent);
    let late = id_of(pay(&[1]).spend(&till).unwrap());
    clock.pass(REVERSAL_SECONDS + 1);
    assert_eq!(till.reverse(late).unwrap(), Reversal::Void);
    clock.pass(-1);
    assert_eq!(till.reverse(late).unwrap(), Reversal::Reversed);
}

#[test]
fn the_cap_counts_the_coins_of_one_user_on_one_day() {
    let (directory, clock) = (SimulatedDirectory::new(), noon());
    let [till, other] = [(); 2].map(|()| open(&directory, &clock));
    // Uncapped payments count too, even those from before the counting began.
    let id = id_of(pay(&[1, 2, 3]).spend(&other).unwrap());
    assert_eq!(pay(&[4]).capped(3).into_another(2).spend(&till).unwrap(), Spent::CapReached);
    assert!(matches!(pay(&[1, 2, 3]).capped(3).spend(&till).unwrap(), Spent::Retry { .. }));
    assert_eq!(till.reverse(id).unwrap(), Reversal::Void);
    id_of(pay(&[4]).capped(1).by("bob").spend(&till).unwrap());
    let id = id_of(pay(&[5]).spend(&other).unwrap());
    assert_eq!(pay(&[6]).capped(4).spend(&till).unwrap(), Spent::CapReached);
    assert_eq!(other.reverse(id).unwrap(), Reversal::Reversed);
    id_of(pay(&[6]).capped(4).spend(&till).unwrap());
    assert_eq!(pay(&[7]).capped(4).spend(&open(&directory, &clock)).unwrap(), Spent::CapReached);
    // CapReached comes before AlreadySpent.
    assert_eq!(pay(&[6]).capped(4).into_another(2).spend(&till).unwrap(), Spent::CapReached);
    clock.pass(86_400);
    id_of(pay(&[7]).capped(1).spend(&till).unwrap());
}

#[test]
fn sizes_are_bounded() {
    let till = open(&SimulatedDirectory::new(), &noon());
    let bins: Vec<u32> = (0..COINS_PER_PAYMENT_MAX).collect();
    id_of(pay(&bins).spend(&till).unwrap());
    assert!(pay(&[bins, vec![9999]].concat()).spend(&till).is_err());
    assert!(pay(&[]).spend(&till).is_err());
    let mut large = pay(&[5000]);
    large.message = vec![b'x'; PAYMENT_SIZE_MAX + 1];
    assert!(large.spend(&till).is_err());
    large.message.pop();
    id_of(large.spend(&till).unwrap());
}

/// As in docs/reference/till.md: every field after its length, the coins as bytes.
#[test]
fn a_fingerprint_is_the_hash_of_its_fields_with_their_lengths() {
    let payment = Payment {
        url: "https://news.example/a".parse().unwrap(),
        user: "alice".parse().unwrap(),
        vendor: "news.example".parse().unwrap(),
        period: "2026-12".parse().unwrap(),
        coins: 1,
        owner_tokens: [[1; 8], [2; 8]].map(OwnerToken::from_bytes).to_vec(),
        authenticator: Authenticator::from_bytes([9; 16]),
        x: vec![1, 2 << 40],
    };
    let coins = [[0, 0, 0, 0, 0, 0, 0, 1], [0, 0, 2, 0, 0, 0, 0, 0]].concat();
    let tokens = [[1; 8], [2; 8]].concat();
    let fields: [&[u8]; 7] = [
        b"https://news.example/a",
        b"2026-12",
        b"alice",
        &[9; 16],
        &tokens,
        &coins,
        b"an Idempotency-Key",
    ];
    let with_length = |field: &&[u8]| [&(field.len() as u64).to_be_bytes(), *field].concat();
    let bytes: Vec<u8> = fields.iter().flat_map(with_length).collect();
    assert_eq!(
        fingerprint(&payment, &[b"an Idempotency-Key"]),
        <[u8; 32]>::from(Sha256::digest(&bytes))
    );
}
