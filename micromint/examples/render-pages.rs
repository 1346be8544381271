//! Writes the shipped 402 pages into a folder, for `scripts/check-page.py`: `page.LANG.html` with
//! everything that a page can have, and two more for each language: without a title, and after a
//! refused payment with a title in another script.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use micromint::authenticator::Key;
use micromint::host::{Clock, SimulatedDirectory, SystemEntropy};
use micromint::params::Params;
use micromint::testing::params_with;
use micromint::time::UnixTime;
use micromint::vendor::{Decision, Paywall, PaywallParts, Place, Preview, Request, VendorConfig};

struct FixedClock(UnixTime);

impl Clock for FixedClock {
    fn now(&self) -> UnixTime {
        self.0
    }
}

/// Language, description, title, teaser.
const TEXTS: [[&str; 4]; 3] = [
    [
        "en",
        "News for the region",
        "The long read: how a small town rebuilt its library",
        "Three years, two floods and 40,000 books: what it took, and who paid for it.",
    ],
    [
        "de",
        "Nachrichten für die Region",
        "Die lange Reportage: Wie eine Kleinstadt ihre Bibliothek wieder aufbaute",
        "Drei Jahre, zwei Überschwemmungen und 40.000 Bücher: was nötig war und wer dafür bezahlt \
         hat.",
    ],
    [
        "ar",
        "أخبار المنطقة",
        "القراءة الطويلة: كيف أعادت بلدة صغيرة بناء مكتبتها",
        "ثلاث سنوات وفيضانان وأربعون ألف كتاب: ما تطلّبه الأمر ومن دفع الثمن.",
    ],
];

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: render-pages FOLDER")?;
    for (index, [language, description, title, teaser]) in TEXTS.into_iter().enumerate() {
        let [_, _, other_title, other_teaser] = TEXTS[(index + 2) % TEXTS.len()];
        let (full, other) =
            (Preview::new(title, teaser)?, Preview::new(other_title, other_teaser)?);
        let write = |name: &str, page: Vec<u8>| {
            std::fs::write(Path::new(&folder).join(format!("{name}.{language}.html")), page)
        };
        let (full, other) = (Arc::new(full), Arc::new(other));
        write("page", page(language, description, Some(&full), false)?)?;
        write("plain", page(language, "", None, false)?)?;
        write("refused", page(language, description, Some(&other), true)?)?;
    }
    Ok(())
}

/// The 402 for a page that costs 2 cents.
fn page(
    language: &str,
    description: &str,
    preview: Option<&Arc<Preview>>,
    is_refused: bool,
) -> Result<Vec<u8>, Box<dyn Error>> {
    let origin = "https://news.example".parse()?;
    let config = VendorConfig::new("news.example".parse()?, vec![origin], "periods", "till")
        .with_description(description);
    let config = if preview.is_some() { config.with_login("/login") } else { config };
    let coin_value = "0.01 EUR".parse()?;
    let params: Params = params_with(|raw| raw.coin_value = coin_value);
    let parts = PaywallParts {
        config,
        receipt_key: Key::from_bytes([1; 32]),
        till: Box::new(SimulatedDirectory::new()),
        clock: Arc::new(FixedClock("2026-12-10T12:00:00Z".parse()?)),
        entropy: Arc::new(SystemEntropy),
    };
    let paywall = Paywall::with_periods(parts, &[params])?;
    let mut headers: Vec<(&[u8], &[u8])> =
        vec![(b"Accept", b"text/html"), (b"Accept-Language", language.as_bytes())];
    if is_refused {
        headers.push((b"MicroMint-Payment", b"AAAA"));
    }
    let decision = paywall.decide(&Request {
        method: b"GET",
        target: b"/2026/library/",
        is_https: true,
        host: Some(b"news.example"),
        headers: &headers,
        price: 2,
        place: Place { preview, ..Place::default() },
        ..Request::default()
    });
    match decision {
        Decision::Answer(answer) if answer.status == 402 => Ok(answer.body.clone()),
        other => Err(format!("expected a 402, found {other:?}").into()),
    }
}
