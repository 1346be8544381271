//! MicroMint coins as a payment provider of the crate `mpp`.
//!
//! [`Client::send`] fetches a page, pays for it with the user's wallet if that allows it, and
//! [`Fetched::bytes`] reads the content and settles the payment. The wallet decides by the user's
//! limits and those of [`Limits`]. It records coins as sent before they leave, and the same request
//! gets the same payment until it is settled, so a program that stops at any point loses nothing.
//!
//! ```no_run
//! use micromint_mpp::{Client, Limits};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let limits = Limits {
//!     autopay: Some("0.05 USD".into()),
//!     task_limit: Some("0.50 USD".into()),
//!     ..Limits::default()
//! };
//! let client = Client::new(limits, reqwest::Client::builder())?;
//! let fetched = client.send(client.get("https://news.example/story")).await?;
//! println!("{} bytes", fetched.bytes().await?.len());
//! # Ok(())
//! # }
//! ```

mod wallet;

use std::sync::{Arc, Mutex, PoisonError};

use mpp::MppError;
use mpp::client::{ChargeClient, HttpError, PaymentContext, PaymentProvider};
use mpp::protocol::core::{PaymentChallenge, PaymentCredential};
use reqwest::{ClientBuilder, IntoUrl, Method, RequestBuilder, Response};

pub use wallet::{Limits, Payment, WalletError};

/// The value of Accept-Payment: without this field, `mpp` returns a 402 and pays nothing.
pub const ACCEPT_PAYMENT: &str = "micromint/charge";

/// Fetches pages and pays for them. It follows no redirect.
#[derive(Clone, Debug)]
pub struct Client {
    http: ChargeClient,
    limits: Arc<Limits>,
}

/// A payment provider for one request. [`Client::send`] makes one; use it alone with the other
/// interfaces of `mpp`, and settle the [`Provider::payment`] yourself.
#[derive(Clone, Debug)]
pub struct Provider {
    limits: Arc<Limits>,
    method: String,
    body: Vec<u8>,
    payment: Arc<Mutex<Option<Payment>>>,
}

/// An answer, and the payment that it answered.
#[derive(Debug)]
pub struct Fetched {
    /// The answer.
    pub response: Response,
    /// The payment; `None` if nothing was paid.
    pub payment: Option<Payment>,
    limits: Arc<Limits>,
}

/// A page was not fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The page must be paid for and was not, or the request failed. The message of a wallet says
    /// whether coins were sent.
    #[error(transparent)]
    Fetch(#[from] HttpError),
    /// The answer broke off. The payment stays open: the same request sends the same coins, and the
    /// vendor charges once.
    #[error("the answer broke off; the same request sends the same payment: {0}")]
    BrokeOff(reqwest::Error),
    /// The outcome could not be recorded.
    #[error(transparent)]
    Wallet(#[from] WalletError),
}

impl Client {
    /// A client with these limits. The builder's redirect policy is replaced.
    ///
    /// # Errors
    /// The HTTP client cannot be built.
    pub fn new(mut limits: Limits, builder: ClientBuilder) -> Result<Client, Error> {
        limits.task.get_or_insert_with(|| format!("program-{}", uuid::Uuid::new_v4()));
        Ok(Client { http: ChargeClient::new(builder)?, limits: Arc::new(limits) })
    }

    /// A request for this client, which [`Client::send`] sends.
    pub fn request(&self, method: Method, url: impl IntoUrl) -> RequestBuilder {
        self.http.request(method, url).header("Accept-Payment", ACCEPT_PAYMENT)
    }

    /// A GET request for this client, which [`Client::send`] sends.
    pub fn get(&self, url: impl IntoUrl) -> RequestBuilder {
        self.request(Method::GET, url)
    }

    /// Sends a request of [`Client::request`], and pays if necessary.
    ///
    /// # Errors
    /// No answer came, or the wallet does not pay.
    pub async fn send(&self, request: RequestBuilder) -> Result<Fetched, Error> {
        let asked = request.try_clone().and_then(|request| request.build().ok());
        let method = asked.as_ref().map_or("GET", |request| request.method().as_str()).to_string();
        let body = asked.as_ref().and_then(|request| request.body()?.as_bytes());
        let provider = Provider {
            limits: Arc::clone(&self.limits),
            method,
            body: body.unwrap_or_default().to_vec(),
            payment: Arc::default(),
        };
        let response = self.http.send_with_payment(request, &provider).await?;
        Ok(Fetched { response, payment: provider.payment(), limits: Arc::clone(&self.limits) })
    }
}

impl Fetched {
    /// Reads the whole content and settles the payment.
    ///
    /// # Errors
    /// The answer broke off, or the outcome cannot be recorded.
    pub async fn bytes(self) -> Result<Vec<u8>, Error> {
        let Fetched { response, payment, limits } = self;
        let (status, head) = (response.status(), head_of(&response));
        let content = response.bytes().await.map_err(Error::BrokeOff)?;
        if let Some(payment) = payment {
            wallet::settle(&limits, &payment.reference, &head, status).await?;
        }
        Ok(content.into())
    }

    /// Settles the payment by the head of the answer. Call it once the content was read from
    /// [`Fetched::response`] completely.
    ///
    /// # Errors
    /// The outcome cannot be recorded.
    pub async fn settle(&self) -> Result<(), Error> {
        let Some(payment) = &self.payment else { return Ok(()) };
        let (status, head) = (self.response.status(), head_of(&self.response));
        Ok(wallet::settle(&self.limits, &payment.reference, &head, status).await?)
    }
}

/// The header fields of an answer, one a line.
fn head_of(response: &Response) -> String {
    let line = |(name, value): (_, &reqwest::header::HeaderValue)| {
        format!("{name}: {}\r\n", String::from_utf8_lossy(value.as_bytes()))
    };
    response.headers().iter().map(line).collect()
}

impl Provider {
    /// The latest payment.
    pub fn payment(&self) -> Option<Payment> {
        self.payment.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl PaymentProvider for Provider {
    fn supports(&self, method: &str, intent: &str) -> bool {
        (method, intent) == ("micromint", "charge")
    }

    /// Without the URL that was fetched, nothing is paid.
    async fn pay(&self, _: &PaymentChallenge) -> Result<PaymentCredential, MppError> {
        Err(MppError::InvalidConfig(
            "the URL that was fetched is not known, so no coins were sent; send the request with \
             micromint_mpp::Client"
                .to_string(),
        ))
    }

    async fn pay_with_context(
        &self,
        challenge: &PaymentChallenge,
        context: PaymentContext,
    ) -> Result<PaymentCredential, MppError> {
        let offer = format!("WWW-Authenticate: {}\r\n", challenge.to_header()?);
        let url = context.url.as_str();
        let paid = wallet::pay(&self.limits, &offer, url, &self.method, &self.body).await;
        let payment = paid.map_err(|error| MppError::InvalidConfig(error.to_string()))?;
        let credential = mpp::parse_authorization(&payment.header.value)?;
        *self.payment.lock().unwrap_or_else(PoisonError::into_inner) = Some(payment);
        Ok(credential)
    }
}
