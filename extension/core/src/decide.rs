//! Whether to pay for what the browser asked for, beyond the checks of the core: how the page came
//! to be asked for, what the owner allows, and what was paid for already.
//!
//! Input: a request for payment and a [`Visit`]. Output: a [`Verdict`]; a payment in it is
//! recorded. The invariant: without the owner's word, nothing is paid for a page that was paid for
//! before, nor past a limit, nor for what nobody opened.

use micromint::identity::VendorId;
use micromint::money::Money;
use micromint::period::Period;
use micromint::protocol::{RequestPayment, Url};
use micromint::reply::Reply;
use micromint::time::UnixTime;
use micromint::wallet::{
    Choice, Fetch, PastPayment, PaymentDecision, PaymentOutcome, Policy, Unpayable, Wallet,
    WalletError, WalletState, payment_for_header,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::amount::{Amount, Worth};
use crate::settings::{Over, Settings, Spent};

/// The most coins of a payment in a header: 60 coins of 8 balls make 7 KB, and servers accept 8 KB.
const HEADER_COINS_MAX: u32 = 60;
/// How long a payment without a receipt is sent again for the same page instead of a new one, in
/// seconds.
const RECENT_SECONDS: i64 = 600;
/// How many payments are sent for one request of the browser: the first, and a second one if the
/// first was refused.
const TRIES_MAX: usize = 2;
/// How many times the wallet decides at most: once more after the vendor's consent.
const QUESTIONS_MAX: u32 = 2;

/// How the browser came to ask for a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// The owner opened it: by a link, a bookmark, the address.
    Opened,
    /// Reload, back or forward.
    Again,
    /// Part of a page: an image, a film, a frame, a script's request.
    Part,
}

/// The circumstances of a request.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Visit {
    /// How the browser came to ask.
    pub kind: Kind,
    /// Whether the window is private. Then the owner is always asked.
    #[serde(default)]
    pub is_private: bool,
    /// The page of which this is a part.
    #[serde(default)]
    pub page: Option<String>,
    /// When that page was opened.
    #[serde(default)]
    pub page_since: i64,
    /// The payments that were sent for this request of the browser so far.
    #[serde(default)]
    pub tried: Vec<u32>,
    /// The price to which the owner agreed for this page.
    #[serde(default)]
    pub agreed: Option<u32>,
}

/// What to do.
#[derive(Debug, Serialize)]
#[serde(tag = "verdict", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Verdict {
    /// Send the payment, once it is stored, to the very URL.
    Send {
        /// Its number.
        payment: u32,
        /// The message in base64url, for the header.
        header: String,
        /// Whether it fits into a header. Otherwise it goes in a POST.
        fits_header: bool,
        /// The price.
        coins: u32,
        /// Whether it was sent before and costs nothing more.
        again: bool,
    },
    /// Ask the owner.
    Ask(Box<Question>),
    /// Fetch this manifest without cookies and decide again.
    NeedsConsent {
        /// Its address.
        url: String,
    },
    /// Do not pay.
    Refuse {
        /// Why, in a word for translation.
        code: &'static str,
        /// What the translation names: texts, numbers of coins, and amounts as [`Worth`].
        values: Vec<Value>,
        /// What cannot be translated: the site's own reason; for the code `other`, why in English.
        text: String,
        /// The price; several where it differs between the accepted periods.
        prices: Vec<Amount>,
        /// The vendor.
        vendor: String,
    },
}

/// What the owner must know to decide.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Question {
    /// The vendor.
    pub vendor: String,
    /// The page.
    pub url: String,
    /// The vendor's words for the page.
    pub description: String,
    /// The price in coins.
    pub coins: u32,
    /// What these coins are worth; none if that does not fit.
    pub worth: Option<Worth>,
    /// What remains for this vendor afterwards.
    pub remains: Amount,
    /// What was spent so far.
    pub spent: Spent,
    /// The limit that the payment passes, if any.
    pub over: Option<Over>,
    /// Whether the page was paid for before.
    pub was_paid: bool,
}

/// Decides. `manifest` is the vendor's, if a [`Verdict::NeedsConsent`] asked for it.
///
/// # Errors
/// The wallet file cannot be written.
pub fn decide(
    wallet: &mut Wallet,
    settings: &Settings,
    request: &RequestPayment,
    url: &Url,
    visit: &Visit,
    manifest: Option<&[u8]>,
    now: UnixTime,
) -> Result<Verdict, WalletError> {
    if let Some(why) = forbidden(wallet.state(), settings, request, visit) {
        return Ok(refusal(request, why));
    }
    let earlier = paid_before(wallet.state(), &request.vendor, url, now);
    // The vendor answers the same message again without a charge while the receipt lives. If it
    // did not, do not ask it twice.
    let covers = |paid: &Earlier| paid.is_recent && !visit.tried.contains(&paid.number);
    let fetch = match earlier.as_ref().filter(|paid| covers(paid)) {
        Some(_) => Fetch::new(url).with_since(WalletState::default().moment()),
        None => Fetch::new(url),
    };
    let spent = Spent::of(wallet.state(), &request.vendor, now);
    let autopay = autopay(wallet.state(), settings, request, visit, earlier.is_some());
    // Which coins the wallet chooses is not known yet. The threshold is the highest number of coins
    // among the prices that need no question, so every choice above it is asked about.
    let over = |coins: u32| settings.over(&request.vendor, &spent, coins);
    let counts = request.prices.iter().map(|price| price.coins);
    let free = counts.filter(|coins| *coins <= autopay && over(*coins).is_none()).max();
    let threshold = visit.agreed.or(free).unwrap_or(0);
    let policy = Policy::new(threshold).with_http(settings.allow_http);
    for _ in 0..QUESTIONS_MAX {
        match wallet.pay(request, &fetch, &policy, now)? {
            PaymentDecision::Send(sending) => {
                let coins = wallet.state().payments()[sending.payment as usize].coins;
                return Ok(Verdict::Send {
                    payment: sending.payment,
                    header: payment_for_header(&sending.message),
                    fits_header: coins <= HEADER_COINS_MAX,
                    coins,
                    again: sending.again,
                });
            }
            PaymentDecision::Ask(choice) => {
                let was_paid = earlier.is_some();
                let over = over(choice.coins());
                let value = wallet.state().holdings()[choice.holding].params.coin_value();
                return Ok(question(request, url, &choice, value, spent, over, was_paid));
            }
            PaymentDecision::NeedsConsent(needed) => {
                let Some(manifest) = manifest else {
                    return Ok(Verdict::NeedsConsent { url: needed.url().to_string() });
                };
                if let Reply::Refused(_) = wallet.take_consent(&needed, manifest, now)? {
                    return Ok(refusal(request, no_consent(request)));
                }
            }
            PaymentDecision::Refuse(why) => {
                return Ok(refusal(request, in_code(why)));
            }
        }
    }
    Ok(refusal(request, no_consent(request)))
}

/// Why nothing is paid: the members `code`, `values` and `text` of [`Verdict::Refuse`].
type Why = (&'static str, Vec<Value>, String);

/// The reason that has this code and names these values.
fn why(code: &'static str, values: Vec<Value>) -> Why {
    (code, values, String::new())
}

fn no_consent(request: &RequestPayment) -> Why {
    why("noConsent", vec![json!(request.vendor.as_str())])
}

/// Why nothing is paid here whatever the price is.
fn forbidden(
    state: &WalletState,
    settings: &Settings,
    request: &RequestPayment,
    visit: &Visit,
) -> Option<Why> {
    // Otherwise the wallet fails when it writes the payment.
    if state.frozen().is_some() {
        return Some(why("frozen", Vec::new()));
    }
    if settings.is_paused {
        return Some(why("paused", Vec::new()));
    }
    if settings.rule(&request.vendor).is_never {
        return Some(why("never", Vec::new()));
    }
    if visit.tried.len() >= TRIES_MAX {
        let last = visit.tried.last().and_then(|number| state.payments().get(*number as usize));
        let said = last.and_then(|payment| payment.outcome.reason()).unwrap_or_default();
        return Some(("refusedTwice", Vec::new(), said.to_string()));
    }
    if visit.kind == Kind::Part && !is_part_of_own_page(request, visit) {
        return Some(why("otherSite", Vec::new()));
    }
    None
}

/// Whether the vendor is also the one of the page that shows this part.
fn is_part_of_own_page(request: &RequestPayment, visit: &Visit) -> bool {
    let page = visit.page.as_deref().and_then(|page| page.parse::<Url>().ok());
    page.is_some_and(|page| request.vendor.collects_at(page.host()))
}

/// A completed payment for the same page.
pub(crate) struct Earlier {
    number: u32,
    /// Whether its receipt lives, or may live.
    pub(crate) is_recent: bool,
}

/// The latest completed payment to this vendor for this page.
pub(crate) fn paid_before(
    state: &WalletState,
    vendor: &VendorId,
    url: &Url,
    now: UnixTime,
) -> Option<Earlier> {
    let is_for_it = |payment: &PastPayment| {
        payment.outcome == PaymentOutcome::Paid && payment.vendor == *vendor && payment.url == *url
    };
    let (number, payment) =
        state.payments().iter().enumerate().rev().find(|(_, payment)| is_for_it(payment))?;
    let ends = payment
        .receipt_expires()
        .unwrap_or_else(|| payment.outcome_at.unwrap_or(payment.at).plus_seconds(RECENT_SECONDS));
    Some(Earlier { number: number as u32, is_recent: now < ends })
}

/// The highest price that is paid without asking.
fn autopay(
    state: &WalletState,
    settings: &Settings,
    request: &RequestPayment,
    visit: &Visit,
    was_paid: bool,
) -> u32 {
    let allowed = settings.rule(&request.vendor).autopay.unwrap_or(settings.autopay);
    if visit.is_private {
        return 0;
    }
    match visit.kind {
        Kind::Opened => allowed,
        // Nobody asked for this page again, and its receipt has expired.
        Kind::Again if was_paid => 0,
        Kind::Again => allowed,
        Kind::Part => {
            let spent = spent_since(state, request, UnixTime(visit.page_since));
            let left = u64::from(settings.page_limit).saturating_sub(spent);
            allowed.min(u32::try_from(left).unwrap_or(u32::MAX))
        }
    }
}

/// The coins that were sent to the vendor for the first time since `since`.
fn spent_since(state: &WalletState, request: &RequestPayment, since: UnixTime) -> u64 {
    let payments = state.payments().iter().rev();
    let is_counted =
        |payment: &&PastPayment| payment.at >= since && payment.vendor == request.vendor;
    payments.filter(is_counted).map(|payment| u64::from(payment.fresh)).sum()
}

fn question(
    request: &RequestPayment,
    url: &Url,
    choice: &Choice,
    value: Money,
    spent: Spent,
    over: Option<Over>,
    was_paid: bool,
) -> Verdict {
    let remains = choice.spendable.saturating_sub(choice.coins());
    Verdict::Ask(Box::new(Question {
        vendor: request.vendor.to_string(),
        url: url.to_string(),
        description: request.description.clone(),
        coins: choice.coins(),
        worth: Worth::of_coins(choice.coins(), value),
        remains: Amount::new(remains, value),
        spent,
        over,
        was_paid,
    }))
}

fn refusal(request: &RequestPayment, (code, values, text): Why) -> Verdict {
    let mut prices: Vec<Amount> = Vec::new();
    for price in &request.prices {
        let price = Amount::new(price.coins, price.coin_value);
        if !prices.contains(&price) {
            prices.push(price);
        }
    }
    Verdict::Refuse { code, values, text, prices, vendor: request.vendor.to_string() }
}

/// Why the wallet does not pay, for translation.
fn in_code(unpayable: Unpayable) -> Why {
    let names = |periods: &[Period]| {
        let names: Vec<&str> = periods.iter().map(Period::as_str).collect();
        json!(names.join(", "))
    };
    match &unpayable {
        Unpayable::OtherPage { requested, .. } => why("otherPage", vec![json!(requested)]),
        Unpayable::OtherVendor { vendor, .. } => why("otherVendor", vec![json!(vendor.as_str())]),
        Unpayable::NotSecure(_) => why("notSecure", Vec::new()),
        Unpayable::Frozen(_) => why("frozen", Vec::new()),
        Unpayable::NoSuchCoins { periods, broker } => {
            why("noSuchCoins", vec![json!(broker), names(periods)])
        }
        Unpayable::OtherCoinValue { broker, requested, held } => {
            let [requested, held] = [*requested, *held].map(|value| json!(Worth::from(value)));
            why("otherCoinValue", vec![json!(broker), requested, held])
        }
        Unpayable::NotValidNow(periods) => why("notValidNow", vec![names(periods)]),
        Unpayable::TooFewCoins { price, spendable, .. } => {
            why("tooFewCoins", vec![json!(price), json!(spendable)])
        }
        // The method is GET, and limits are asked about.
        _ => ("other", Vec::new(), unpayable.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryDirectory;
    use crate::settings::SiteRule;
    use micromint::authenticator::Key;
    use micromint::protocol::PeriodPrice;
    use micromint::testing::{ObviousMint, test_params};

    struct NoEntropy;

    impl micromint::host::Entropy for NoEntropy {
        fn fill(&self, bytes: &mut [u8]) -> std::io::Result<()> {
            bytes.fill(7);
            Ok(())
        }
    }

    struct Owner {
        wallet: Wallet,
        settings: Settings,
        now: UnixTime,
    }

    impl Owner {
        fn new(settings: Settings) -> Owner {
            let mint = ObviousMint::new(test_params());
            let now = mint.params().raw().start.plus_seconds(3600);
            let mut wallet = Wallet::open(&MemoryDirectory::default(), "w", &NoEntropy).unwrap();
            let key = Key::from_bytes([1; 32]);
            let funds = mint.funds(&"alice".parse().unwrap(), &key, &[4, 10, 12], 1);
            wallet.receive(&funds, now).unwrap();
            Owner { wallet, settings, now }
        }

        fn decide(&mut self, url: &str, price: u32, visit: &Visit) -> Verdict {
            let params = test_params();
            let raw = params.raw();
            let url: Url = url.parse().unwrap();
            let request = RequestPayment {
                url: url.clone(),
                vendor: url.host().clone(),
                prices: vec![PeriodPrice::new(raw.period.clone(), price, raw.coin_value)],
                broker: raw.broker.clone(),
                description: String::new(),
            };
            let (wallet, now) = (&mut self.wallet, self.now);
            decide(wallet, &self.settings, &request, &url, visit, None, now).unwrap()
        }

        fn pays(&mut self, url: &str, price: u32, visit: &Visit) -> u32 {
            match self.decide(url, price, visit) {
                Verdict::Send { payment, .. } => {
                    let outcome = PaymentOutcome::Paid;
                    self.wallet.record_outcome(payment, outcome, self.now).unwrap();
                    payment
                }
                other => panic!("expected a payment, found {other:?}"),
            }
        }
    }

    fn opened() -> Visit {
        Visit {
            kind: Kind::Opened,
            is_private: false,
            page: None,
            page_since: 0,
            tried: Vec::new(),
            agreed: None,
        }
    }

    fn part_of(page: &str, since: UnixTime) -> Visit {
        Visit { kind: Kind::Part, page: Some(page.into()), page_since: since.0, ..opened() }
    }

    fn code(verdict: &Verdict) -> &'static str {
        match verdict {
            Verdict::Send { again: true, .. } => "again",
            Verdict::Send { .. } => "send",
            Verdict::Ask(_) => "ask",
            Verdict::NeedsConsent { .. } => "consent",
            Verdict::Refuse { code, .. } => code,
        }
    }

    const PAGE: &str = "https://a.example/1";

    #[test]
    fn above_the_threshold_only_the_agreed_price_is_paid() {
        let mut owner = Owner::new(Settings { autopay: 1, ..Settings::default() });
        assert_eq!(code(&owner.decide(PAGE, 2, &opened())), "ask");
        let agreed = |price| Visit { agreed: Some(price), ..opened() };
        assert_eq!(code(&owner.decide(PAGE, 2, &agreed(1))), "ask");
        owner.pays(PAGE, 2, &agreed(2));
        owner
            .settings
            .sites
            .insert("a.example".into(), SiteRule { autopay: Some(2), ..SiteRule::default() });
        assert_eq!(code(&owner.decide("https://a.example/2", 2, &opened())), "send");
        assert_eq!(code(&owner.decide("https://b.example/2", 2, &opened())), "ask");
    }

    #[test]
    fn a_page_that_was_paid_for_is_sent_again_and_later_asked_about() {
        let mut owner = Owner::new(Settings { autopay: 5, ..Settings::default() });
        let number = owner.pays(PAGE, 1, &opened());
        assert_eq!(code(&owner.decide(PAGE, 1, &opened())), "again");
        // The vendor did not take it: no third time, and not without a question.
        let tried = Visit { tried: vec![number], kind: Kind::Again, ..opened() };
        assert_eq!(code(&owner.decide(PAGE, 1, &tried)), "ask");
        owner.now = owner.now.plus_seconds(RECENT_SECONDS);
        let again = Visit { kind: Kind::Again, ..opened() };
        assert_eq!(code(&owner.decide(PAGE, 1, &again)), "ask");
        // A link that the owner followed.
        assert_eq!(code(&owner.decide(PAGE, 1, &opened())), "send");
    }

    #[test]
    fn after_two_refusals_nothing_more_is_sent() {
        let mut owner = Owner::new(Settings { autopay: 5, ..Settings::default() });
        let mut tried = Vec::new();
        for _ in 0..TRIES_MAX {
            let visit = Visit { tried: tried.clone(), ..opened() };
            let Verdict::Send { payment, .. } = owner.decide(PAGE, 1, &visit) else {
                panic!("expected a payment");
            };
            let refused = PaymentOutcome::Refused("spent".into());
            owner.wallet.record_outcome(payment, refused, owner.now).unwrap();
            tried.push(payment);
        }
        let visit = Visit { tried, agreed: Some(9), ..opened() };
        assert_eq!(code(&owner.decide(PAGE, 1, &visit)), "refusedTwice");
    }

    #[test]
    fn parts_are_paid_for_on_pages_of_their_vendor_up_to_the_limit_of_a_page() {
        let settings = Settings { autopay: 5, page_limit: 2, ..Settings::default() };
        let mut owner = Owner::new(settings);
        let since = owner.now;
        let own = part_of("https://a.example/story", since);
        for other in ["https://b.example/", "https://a.example.b.example/", "nonsense"] {
            assert_eq!(code(&owner.decide(PAGE, 1, &part_of(other, since))), "otherSite");
        }
        owner.pays(PAGE, 1, &own);
        owner.pays("https://a.example/2", 1, &own);
        assert_eq!(code(&owner.decide("https://a.example/3", 1, &own)), "ask");
        owner.now = since.plus_seconds(60);
        let next = part_of("https://a.example/next", owner.now);
        assert_eq!(code(&owner.decide("https://a.example/3", 1, &next)), "send");
    }

    #[test]
    fn limits_pauses_private_windows_and_never() {
        let settings = Settings { autopay: 5, day_limit: Some(3), ..Settings::default() };
        let mut owner = Owner::new(settings);
        let private = Visit { is_private: true, ..opened() };
        assert_eq!(code(&owner.decide(PAGE, 1, &private)), "ask");
        owner.pays(PAGE, 2, &opened());
        let Verdict::Ask(question) = owner.decide("https://b.example/", 2, &opened()) else {
            panic!("expected a question");
        };
        assert_eq!(question.over, Some(Over { limit: "day", of: 3, by: 1 }));
        assert_eq!((question.spent.day, question.spent.site_day), (2, 0));
        owner.now = owner.now.plus_seconds(86_400);
        assert_eq!(code(&owner.decide("https://b.example/", 2, &opened())), "send");
        owner
            .settings
            .sites
            .insert("b.example".into(), SiteRule { is_never: true, ..SiteRule::default() });
        assert_eq!(code(&owner.decide("https://b.example/3", 0x1, &opened())), "never");
        owner.settings.is_paused = true;
        assert_eq!(code(&owner.decide("https://c.example/", 1, &opened())), "paused");
    }
}
