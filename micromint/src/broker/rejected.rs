//! Invalid coins, as a text for people who process them later (thesis 3.2.3).
//!
//! Input: a judged batch. Output: a block of lines with every coin that is never paid, the reason,
//! and everything that was sent about it. The block begins and ends with a line that names the
//! batch, so that a partly written block is recognized and a batch is set aside once.

use crate::hex::hex;
use crate::protocol::{PaymentRecord, RequestRedemption, Verdict};
use crate::time::UnixTime;

/// The line that ends the block of a batch.
pub fn rejected_coins_end(batch: &RequestRedemption) -> String {
    format!("end of batch {} {}", batch.vendor, batch.batch)
}

/// The block of a judged batch; `None` if all its coins are good. `verdicts` are those of its
/// result.
pub fn rejected_coins(
    batch: &RequestRedemption,
    verdicts: &[Verdict],
    now: UnixTime,
) -> Option<String> {
    let invalid = verdicts.iter().filter(|verdict| verdict.is_rejection()).count();
    if invalid == 0 {
        return None;
    }
    let mut text =
        format!("batch {} {} judged {now}: {invalid} invalid coins\n", batch.vendor, batch.batch);
    let mut verdicts = verdicts.iter();
    for (number, record) in (1..).zip(batch.records()) {
        match PaymentRecord::parse(record) {
            Ok(payment) => {
                let coins = verdicts.by_ref().take(payment.coins as usize);
                for (coin, verdict) in
                    (1..).zip(coins).filter(|(_, verdict)| verdict.is_rejection())
                {
                    text.push_str(&coin_line(batch, number, coin, *verdict, &payment));
                }
            }
            Err(why) => {
                let verdict = verdicts.next().copied().unwrap_or(Verdict::Malformed);
                let bytes = record.escape_ascii();
                text.push_str(&format!(
                    "payment {number}: {}: {why}: \"{bytes}\"\n",
                    verdict.words()
                ));
            }
        }
    }
    text.push_str(&rejected_coins_end(batch));
    text.push('\n');
    Some(text)
}

fn coin_line(
    batch: &RequestRedemption,
    number: usize,
    coin: usize,
    verdict: Verdict,
    payment: &PaymentRecord,
) -> String {
    let size = 8 * payment.coin_size();
    let coin_bytes = payment.data.chunks(size.max(1)).nth(coin - 1).unwrap_or_default();
    let x: Vec<String> = coin_bytes.chunks(8).map(hex).collect();
    format!(
        "payment {number} coin {coin}: {}: user {} vendor {} period {} authenticator {} \
         url-digest {} x {}\n",
        verdict.words(),
        payment.user,
        batch.vendor,
        batch.period,
        payment.authenticator,
        payment.url,
        x.join(" ")
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::{DURING, MINT, batch_of_records, payment, user, vendor};
    use super::*;

    #[test]
    fn every_invalid_coin_is_listed_with_what_was_sent() {
        let (alice, news) = (user("alice"), vendor("news.example"));
        let coins = MINT.coins(&alice, &news, 0);
        let good = payment(&alice, &news, "a", &coins[..3]);
        let batch =
            batch_of_records(&news, "b1", &[good.record().to_bytes(), b"junk\n\xff".to_vec()]);
        let verdicts = [Verdict::Accepted, Verdict::Forged, Verdict::Waiting, Verdict::Malformed];
        let text = rejected_coins(&batch, &verdicts, DURING).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert_eq!(lines[0], format!("batch news.example b1 judged {DURING}: 2 invalid coins"));
        assert!(
            lines[1].starts_with("payment 1 coin 2: forged: user alice vendor news.example "),
            "{text}"
        );
        assert!(lines[1].ends_with(&format!("{:016x}", coins[1][3])), "{text}");
        assert!(lines[2].starts_with("payment 2: malformed payment: "), "{text}");
        assert!(lines[2].ends_with("\"junk\\n\\xff\""), "{text}");
        assert_eq!(lines[3], rejected_coins_end(&batch));
        assert_eq!(rejected_coins(&batch, &[Verdict::Accepted, Verdict::Waiting], DURING), None);
    }
}
