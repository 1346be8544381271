//! The wallet in wasm, for `scripts/wasm-build.sh`: one function that receives coins and pays with
//! them.
//!
//! It needs no imports: the coins come from the simple mint of the tests, the wallet file is in
//! memory, and the clock is fixed. `wasm_check` returns 0 if the payment passes the check by
//! hashing, otherwise the number of the step that failed.

use micromint::authenticator::Key;
use micromint::host::{Entropy, SimulatedDirectory};
use micromint::identity::{UserId, UserVector, VendorVector};
use micromint::protocol::{Payment, PeriodPrice, RequestPayment, Url};
use micromint::testing::{ObviousMint, test_params};
use micromint::time::UnixTime;
use micromint::wallet::{Fetch, PaymentDecision, Policy, Received, Wallet};

/// 2026-12-10, within the period of the test parameters.
const NOW: UnixTime = UnixTime(1_796_860_800);
const PRICE: u32 = 3;

/// Constant bytes. A wallet in a browser would use `crypto.getRandomValues`.
struct FixedEntropy;

impl Entropy for FixedEntropy {
    fn fill(&self, bytes: &mut [u8]) -> std::io::Result<()> {
        bytes.fill(7);
        Ok(())
    }
}

/// Receives two sets and pays for a page. Returns 0, or the number of the step that failed.
// SAFETY: no other function of this library has that name.
#[unsafe(no_mangle)]
pub extern "C" fn wasm_check() -> u32 {
    receive_and_pay().err().unwrap_or(0)
}

fn receive_and_pay() -> Result<(), u32> {
    let mint = ObviousMint::new(test_params());
    let user: UserId = "alice".parse().map_err(|_| 1u32)?;
    let key = Key::from_bytes([5; 32]);
    let mut wallet =
        Wallet::open(&SimulatedDirectory::new(), "wallet.mmw", &FixedEntropy).map_err(|_| 2u32)?;
    let received = wallet.receive(&mint.funds(&user, &key, &[4, 10], 1), NOW);
    if !matches!(received, Ok(Received::New { .. })) {
        return Err(3);
    }
    let url: Url = "https://news.example/a".parse().map_err(|_| 4u32)?;
    let raw = mint.params().raw();
    let request = RequestPayment {
        url: url.clone(),
        vendor: "news.example".parse().map_err(|_| 5u32)?,
        prices: vec![PeriodPrice::new(raw.period.clone(), PRICE, raw.coin_value)],
        broker: raw.broker.clone(),
        description: "A page".into(),
    };
    let policy = Policy::new(PRICE);
    let fetch = Fetch::new(&url);
    let Ok(PaymentDecision::Send(sending)) = wallet.pay(&request, &fetch, &policy, NOW) else {
        return Err(6);
    };
    let payment = Payment::parse(&sending.message).map_err(|_| 7u32)?;
    let user = UserVector::new(mint.params(), &user).map_err(|_| 8u32)?;
    let vendor = VendorVector::new(mint.params(), &request.vendor);
    if mint.rules().check(&user, &vendor, &payment.x).is_err() || payment.coins != PRICE {
        return Err(9);
    }
    Ok(())
}
