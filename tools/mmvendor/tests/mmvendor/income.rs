//! What was taken in, and the payment that a reader asks about.

use micromint::protocol::{RequestRedemption, Verdict};
use micromint::scheme::reference;
use serde_json::Value;

use super::redeem::answer;
use super::{
    Site, output, payment, program, spend, spend_and_reverse, spend_young, today, write_key,
};

#[test]
fn income_is_summed_by_day_page_and_period_in_coins_and_money() {
    let site = Site::new();
    let folder = site.path();
    spend(folder, 1, 3600, 86_400);
    spend(folder, 2, 3000, 86_400);
    spend_young(folder, 2, 3);
    spend_and_reverse(folder, 9);

    let (text, _) = output(&mut site.command(&["status"]), 0);
    assert!(text.contains("income: 3 payments, 6 coins (0.06 USD)\n"), "{text}");
    assert!(text.contains("  https://news.example/2: 2 payments, 4 coins (0.04 USD)\n"), "{text}");
    assert!(text.contains("  2026-12: 3 payments, 6 coins (0.06 USD)\n    6 coins in no batch\n"));
    assert!(!text.contains("example/9"), "{text}");
    // The page with the most coins comes first.
    assert!(text.find("example/2:") < text.find("example/1:"), "{text}");

    let (json, _) = output(&mut site.command(&["status", "--json"]), 0);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["total"]["money"], "0.06 USD");
    assert_eq!(json["pages"][0]["page"], "https://news.example/2");
    assert_eq!(json["pages"][0]["coins"], 4);
    assert_eq!(json["unbatched"][0]["young-payments"], 1);
    assert_eq!(
        (&json["periods"][0]["coins"], &json["periods"][0]["unbatched"]),
        (&Value::from(6), &Value::from(6))
    );
    let days: u64 =
        json["days"].as_array().unwrap().iter().map(|day| day["coins"].as_u64().unwrap()).sum();
    assert_eq!(days, 6);

    let (csv, _) = output(&mut site.command(&["status", "--csv"]), 0);
    let mut lines = csv.lines();
    assert_eq!(lines.next(), Some("day,page,period,payments,coins,money,currency"));
    let lines: Vec<&str> = lines.collect();
    assert!(lines.iter().all(|line| line.split(',').count() == 7), "{csv}");
    let of_today = format!("{},\"https://news.example/2\",\"2026-12\",", today());
    assert!(lines.iter().any(|line| line.starts_with(&of_today)), "{csv}");
    assert!(lines.iter().all(|line| line.ends_with(",USD")), "{csv}");

    // Days that are not asked for do not count.
    let (text, _) = output(&mut site.command(&["status", "--to", "2020-01-01"]), 0);
    assert!(text.contains("income: 0 payments, 0 coins\n"), "{text}");
    let (text, _) = output(&mut site.command(&["status", "--from", "2020-01-01"]), 0);
    assert!(text.contains("income: 3 payments"), "{text}");
    output(&mut site.command(&["status", "--from", "yesterday"]), 2);
    let wrong = ["status", "--from", "2026-12-01", "--to", "2026-11-01"];
    let (_, stderr) = output(&mut site.command(&wrong), 1);
    assert!(stderr.contains("--from 2026-12-01 is later than --to 2026-11-01"), "{stderr}");
    let one_day = ["status", "--from", "2020-01-01", "--to", "2020-01-01"];
    output(&mut site.command(&one_day), 0);
    // Money has two decimals, as everywhere.
    spend_young(folder, 4, 4);
    spend_young(folder, 5, 5);
    let (text, _) = output(&mut site.command(&["status"]), 0);
    assert!(text.contains("income: 5 payments, 10 coins (0.10 USD)\n"), "{text}");
}

#[test]
fn the_verdicts_of_a_period_are_summed_and_an_unknown_value_is_no_money() {
    let site = Site::new();
    let folder = site.path();
    spend(folder, 1, 3600, 86_400);
    write_key(folder, 0o600);
    std::fs::rename(folder.join("key"), folder.join("vendor.key")).unwrap();
    output(&mut site.command(&["redeem", "--out", "batch"]), 0);
    let (text, _) = output(&mut site.command(&["status"]), 0);
    assert!(text.contains("2 coins in batches that the broker has not answered"), "{text}");
    answer(folder, "batch", &[Verdict::Accepted, Verdict::Forged]);
    output(&mut site.command(&["result", "result"]), 0);
    let (text, _) = output(&mut site.command(&["status"]), 0);
    assert!(text.contains("    1 coin accepted\n    1 coin forged\n"), "{text}");

    // Without the parameters of the period, the value of its coins is not known.
    std::fs::remove_file(folder.join("periods/2026-12.params")).unwrap();
    let (text, stderr) = output(&mut site.command(&["status"]), 0);
    assert!(text.contains("income: 1 payment, 2 coins\n"), "{text}");
    assert!(stderr.contains("the value of coins is not known"), "{stderr}");
    let (json, _) = output(&mut site.command(&["status", "--json"]), 0);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["total"]["money"], Value::Null);
    assert_eq!(json["batches"][0]["verdicts"]["forged"], 1);
}

#[test]
fn a_payment_is_found_by_its_reference() {
    let site = Site::new();
    let folder = site.path();
    spend(folder, 1, 3600, 86_400);
    spend(folder, 2, 3600, 86_400);
    let quoted = reference(&payment(2));
    for digits in [quoted.clone(), quoted.to_uppercase(), quoted[..8].to_string()] {
        let (text, _) = output(&mut site.command(&["find", &digits]), 0);
        assert!(text.contains(&format!("payment {quoted}\n")), "{text}");
        assert!(text.contains("https://news.example/2\n"), "{text}");
        assert!(text.contains("2 coins of 2026-12 by alice at "), "{text}");
        assert!(text.contains("in no batch yet"), "{text}");
        assert_eq!(text.matches("payment ").count(), 1, "{text}");
    }
    write_key(folder, 0o600);
    let arguments = ["redeem", "--out", "batch", "--key-file", "key"];
    output(&mut program(folder, &arguments), 0);
    let batch = RequestRedemption::parse(&std::fs::read(folder.join("batch")).unwrap()).unwrap();
    let (json, _) = output(&mut site.command(&["find", "--json", &quoted]), 0);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["batch"]["batch"], batch.batch.as_str());
    assert_eq!(json[0]["user"], "alice");

    spend_and_reverse(folder, 9);
    let (text, _) = output(&mut site.command(&["find", &reference(&payment(9))]), 0);
    assert!(text.contains("reversed at "), "{text}");

    let (text, stderr) = output(&mut site.command(&["find", "00000000"]), 3);
    assert!(text.is_empty() && stderr.contains("no payment has this reference"), "{stderr}");
    for wrong in ["0000000", "g0000000", &"0".repeat(33)] {
        let (_, stderr) = output(&mut site.command(&["find", wrong]), 2);
        assert!(stderr.contains("32 hexadecimal digits"), "{stderr}");
    }
}
