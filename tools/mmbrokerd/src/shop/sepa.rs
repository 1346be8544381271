//! The files of a payout run for a bank: CSV, and a SEPA credit transfer.
//!
//! Input: payments. Output: text. The invariants: no text from outside becomes a formula in a
//! spreadsheet or markup in XML; the XML is a pain.001.001.09 with the characters that SEPA allows.

use askama::Template;
use micromint::money::Currency;
use micromint::time::UnixTime;

use super::payouts::CENT;

/// The longest name in a SEPA message.
const NAME_LEN_MAX: usize = 70;

/// A payment.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) kind: String,
    pub(super) owner: String,
    pub(super) iban: String,
    pub(super) name: String,
    /// What is sent, in units.
    pub(super) units: u64,
    /// The fee, in units.
    pub(super) fee: u64,
    /// `open`, `paid` or `failed`.
    pub(super) state: String,
}

/// The payments of a run as CSV (RFC 4180).
pub(super) fn csv(reference: &str, currency: Currency, items: &[Item]) -> String {
    let mut text = String::from("reference,kind,owner,iban,name,amount,currency,fee,state\r\n");
    for item in items {
        let fields = [
            reference.to_string(),
            item.kind.clone(),
            item.owner.clone(),
            item.iban.clone(),
            item.name.clone(),
            cents(item.units),
            currency.to_string(),
            cents(item.fee),
            item.state.clone(),
        ];
        text.push_str(&csv_line(&fields));
    }
    text
}

/// A line of a CSV file.
pub(super) fn csv_line(fields: &[String]) -> String {
    let fields: Vec<String> = fields.iter().map(|field| csv_field(field)).collect();
    fields.join(",") + "\r\n"
}

/// A field that no spreadsheet takes for a formula. A negative number is none.
fn csv_field(text: &str) -> String {
    let is_number = text.strip_prefix('-').is_some_and(|number| {
        number.starts_with(|c: char| c.is_ascii_digit())
            && number.chars().all(|c| c.is_ascii_digit() || c == '.')
    });
    let is_formula = !is_number && text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let guard = if is_formula { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\"").replace(['\r', '\n'], " "))
}

/// An amount in cents as a decimal number.
pub(super) fn cents(units: u64) -> String {
    format!("{}.{:02}", units / (100 * CENT), units / CENT % 100)
}

#[derive(Template)]
#[template(path = "payouts.xml")]
struct Pain001<'a> {
    id: String,
    time: String,
    day: String,
    count: usize,
    sum: String,
    name: String,
    iban: &'a str,
    items: Vec<Transfer>,
}

struct Transfer {
    id: String,
    amount: String,
    name: String,
    iban: String,
}

/// The open payments of a run as a SEPA credit transfer, pain.001.001.09.
pub(super) fn pain_001(
    run: i64,
    at: UnixTime,
    (name, iban): (&str, &str),
    items: &[Item],
) -> Result<String, askama::Error> {
    // Numbered before those that came back are left out, so that each keeps its number.
    let open = || (1..).zip(items).filter(|(_, item)| item.state != "failed");
    let transfer = |(number, item): (usize, &Item)| Transfer {
        id: format!("MM-{run}-{number}"),
        amount: cents(item.units),
        name: plain(&item.name),
        iban: item.iban.clone(),
    };
    Pain001 {
        id: format!("MM-{run}"),
        time: at.to_string().trim_end_matches('Z').to_string(),
        day: at.day(),
        count: open().count(),
        sum: cents(open().map(|(_, item)| item.units).sum()),
        name: plain(name),
        iban,
        items: open().map(transfer).collect(),
    }
    .render()
}

/// A name in the characters that SEPA allows.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    for c in text.chars() {
        match c {
            'ä' => plain.push_str("ae"),
            'ö' => plain.push_str("oe"),
            'ü' => plain.push_str("ue"),
            'Ä' => plain.push_str("Ae"),
            'Ö' => plain.push_str("Oe"),
            'Ü' => plain.push_str("Ue"),
            'ß' => plain.push_str("ss"),
            c if c.is_ascii_alphanumeric() || "/-?:().,'+ ".contains(c) => plain.push(c),
            _ => plain.push('.'),
        }
    }
    let plain: String = plain.trim().chars().take(NAME_LEN_MAX).collect();
    if plain.is_empty() { ".".to_string() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &str, cents: u64, state: &str) -> Item {
        Item {
            kind: "vendor".to_string(),
            owner: "news.example".to_string(),
            iban: "DE89370400440532013000".to_string(),
            name: name.to_string(),
            units: cents * CENT,
            fee: 35 * CENT,
            state: state.to_string(),
        }
    }

    #[test]
    fn a_spreadsheet_finds_no_formula() {
        let evil = item("=HYPERLINK(\"http://evil.example\")", 1, "open");
        let text = csv("payout 1", "EUR".parse().unwrap(), &[evil]);
        assert!(text.contains(",\"'=HYPERLINK(\"\"http://evil.example\"\")\","), "{text}");
        assert!(text.ends_with(",\"0.01\",\"EUR\",\"0.35\",\"open\"\r\n"), "{text}");
        assert_eq!(csv_field("a\r\n=b"), "\"a  =b\"");
        for (text, expected) in [
            ("-0.07", "\"-0.07\""),
            ("-1", "\"-1\""),
            ("-1+1", "\"'-1+1\""),
            ("-", "\"'-\""),
            ("-.5", "\"'-.5\""),
        ] {
            assert_eq!(csv_field(text), expected);
        }
    }

    #[test]
    fn the_transfer_is_what_the_rules_of_sepa_say() {
        let items = [
            item("Jürgen & Söhne <GmbH> \u{1f600}", 123_456, "open"),
            item("Failed", 99, "failed"),
            item("Other", 44, "open"),
        ];
        let text =
            pain_001(7, UnixTime(1_797_000_000), ("Bröker", "DE02120300000000202051"), &items);
        let text = text.unwrap();
        let schema = "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:pain.001.001.09\">";
        let head = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{schema}");
        assert!(text.starts_with(&head), "{text}");
        // The number and the sum appear in the head of the message and in its one block.
        assert_eq!(text.matches("<NbOfTxs>2</NbOfTxs>").count(), 2);
        assert_eq!(text.matches("<CtrlSum>1235.00</CtrlSum>").count(), 2);
        assert!(text.contains("<InstdAmt Ccy=\"EUR\">1234.56</InstdAmt>"));
        assert!(text.contains("<Nm>Juergen . Soehne .GmbH. .</Nm>"), "{text}");
        assert!(text.contains("<ReqdExctnDt><Dt>2026-12-11</Dt></ReqdExctnDt>"), "{text}");
        assert!(text.contains("<EndToEndId>MM-7-3</EndToEndId>"));
        assert!(!text.contains("Failed"));
        assert!(text.is_ascii());
        // scripts/check-sepa.sh checks this file against the schema of the message.
        let example = include_str!("../../tests/shop/payout.xml");
        assert_eq!(text.trim_end(), example.trim_end());
        assert_eq!(plain(&"x".repeat(100)).len(), NAME_LEN_MAX);
        assert_eq!(plain("\u{1f600}"), ".");
        assert_eq!(cents(u64::MAX), "184467440737.09");
    }
}
