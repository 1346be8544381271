//! What a request owes at a place that it passes.
//!
//! Input: a request in the terms of its server, a [`ServerRequest`]. Output: the place at its price
//! for this request, or why that cannot be read. The invariants: equal directives, price files and
//! price lists give equal prices on every server; where a price cannot be read, nothing is given
//! away.

use smallvec::SmallVec;

use super::options::{Options, PriceValue, Syntax, Value};
use super::passed::{Passed, Rank, counts};
use crate::vendor::answer::price_unreadable;
use crate::vendor::decision::Answer;
use crate::vendor::exempt::{Exemptions, is_exempt};
use crate::vendor::paywall::{Paywall, at_list_price};
use crate::vendor::price::{Price, PriceError, parse_price};
use crate::vendor::prices::ListPrice;
use crate::vendor::request::Request;
use crate::vendor::serving::Vendor;
use crate::vendor::variants::priced_names;

/// The name of a file, as a server knows it; nearly all are stored without an allocation.
pub type FileName = SmallVec<[u8; 128]>;

/// A request as its server holds it, at the place that it has reached. A server module implements
/// this by translation, and holds no rule about prices.
pub trait ServerRequest {
    /// How the server writes values in its configuration.
    type Syntax: Syntax;
    /// The directive of the price.
    const PRICE: &'static str;
    /// The directive of what a receipt opens.
    const RECEIPT_PATH: &'static str;

    /// The options of the place.
    fn options(&self) -> &Options<Self::Syntax>;

    /// The vendor of the place.
    fn vendor(&self) -> Option<&Vendor>;

    /// The path of the content, decoded.
    fn path(&self) -> &[u8];

    /// Calls `with` with the request as the client sent it: method, target, scheme, host and port.
    /// The header fields are in it unless they are unneeded.
    fn as_sent<T>(&self, fields: HeaderFields, with: impl FnOnce(&Request<'_>) -> T) -> T;

    /// The value of an expression of `directive` for this request. `None` if it has none: then the
    /// server's log says why.
    fn evaluate(
        &mut self,
        directive: &str,
        expression: <Self::Syntax as Syntax>::Expression,
    ) -> Option<&[u8]>;

    /// The file that the request is for, by path or by name, if price files can count for it. A
    /// folder has none.
    fn file(&self) -> Option<FileName>;

    /// Reads the price file of a file: of that with the name of [`ServerRequest::file`], for which
    /// `is_own` is true, or of one of which it is a variant (`page.html` for `page.html.gz`).
    /// `Ok(None)` if there is none.
    ///
    /// # Errors
    /// It cannot be read: a reason for the log.
    fn read_price_file(&mut self, name: &[u8], is_own: bool) -> Result<Option<Vec<u8>>, String>;

    /// How messages name the price file of a file.
    fn price_file_of(&self, name: &[u8]) -> String;
}

/// Whether header fields matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderFields {
    /// All of them.
    Needed,
    /// None is looked at.
    Unneeded,
}

/// Whether price files count: not before it is known which file a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriceFiles {
    /// They count, unless the place has none.
    Count,
    /// They do not.
    Skip,
}

/// The price of a place cannot be read: the page is not sent.
#[derive(Debug)]
pub enum PriceFault {
    /// An expression has no value, and the server's log says why: send its own error page, 500.
    NoValue,
    /// Send this, which has a line for the log.
    Unreadable(Box<Answer>),
}

impl PriceFault {
    /// What to log where nothing is sent because of it; `None` if that was logged already.
    pub fn log(&self) -> Option<&str> {
        match self {
            PriceFault::NoValue => None,
            PriceFault::Unreadable(answer) => answer.log.as_deref(),
        }
    }
}

/// The place that a request passes, if it asks for more than the places before, which ask `owed`
/// ([`Visit::owed_rank`](super::Visit::owed_rank)): at the highest of its own price and that of the
/// price list.
///
/// # Errors
/// The price cannot be read.
pub fn pass<R: ServerRequest>(
    request: &mut R,
    owed: Option<Rank>,
    files: PriceFiles,
) -> Result<Option<Passed>, PriceFault> {
    let options = request.options();
    let (free_views, is_dry_run) = (options.free_views(), options.is_dry_run());
    let charges_redirects = options.charges_redirects();
    let is_exempt = options.exemptions() == Exemptions::Apply && is_exempt(request.path());
    let price = if is_exempt { 0 } else { own_price(request, files)? };
    let listed = list_price(request);
    let highest = price.max(listed.as_ref().map_or(0, |listed| listed.coins));
    // What is free for the one who asks, and not for others, must stay out of caches.
    let is_private = listed.as_ref().is_some_and(|listed| listed.is_private);
    if !counts(Rank::new(highest, is_dry_run), is_private, owed) {
        return Ok(None);
    }
    let receipt_path = receipt_path(request);
    let (preview, is_private) = (None, false);
    let passed = Passed {
        price,
        receipt_path,
        free_views,
        is_dry_run,
        charges_redirects,
        preview,
        is_private,
    };
    Ok(Some(passed.with_list_price(listed)))
}

/// Whether a part of another page's response costs something: by its place, or by the price list,
/// which is asked about the path that the server includes.
///
/// # Errors
/// The price cannot be read.
pub fn is_priced_part<R: ServerRequest>(request: &mut R) -> Result<bool, PriceFault> {
    let price = own_price(request, PriceFiles::Count)?;
    Ok(is_priced(price, || {
        let vendor = request.vendor()?;
        let path = request.path();
        request.as_sent(fields_of(vendor), |sent| vendor.list_price_of_part(path, sent))
    }))
}

/// Whether content costs something: by the price of its place, or by the price list, which is asked
/// only if the place is free.
fn is_priced(price: u32, listed: impl FnOnce() -> Option<ListPrice>) -> bool {
    price > 0 || listed().is_some_and(|listed| listed.coins > 0)
}

/// What a page with a price costs: the answer to a 402 that is not the paywall's own.
#[derive(Debug)]
pub struct PagePrice {
    own: u32,
    listed: Option<ListPrice>,
}

impl PagePrice {
    /// The price of the page that a request is for; `None` if it is free.
    ///
    /// # Errors
    /// The price cannot be read.
    pub fn of<R: ServerRequest>(request: &mut R) -> Result<Option<PagePrice>, PriceFault> {
        let own = own_price(request, PriceFiles::Count)?;
        let listed = list_price(request);
        let is_free = own == 0 && listed.as_ref().is_none_or(|listed| listed.coins == 0);
        Ok((!is_free).then_some(PagePrice { own, listed }))
    }

    /// What a client gets that asks for the page without a payment.
    pub fn tag<R: ServerRequest>(self, request: &R, paywall: &Paywall) -> Answer {
        request.as_sent(HeaderFields::Needed, |sent| {
            let sent = Request { method: b"GET", price: self.own, ..*sent };
            at_list_price(self.listed, &sent, |sent| paywall.price_tag(sent))
        })
    }
}

/// What the price list says about the page that the client asked for.
fn list_price<R: ServerRequest>(request: &R) -> Option<ListPrice> {
    let exemptions = request.options().exemptions();
    let vendor = request.vendor().filter(|vendor| vendor.has_list())?;
    request.as_sent(fields_of(vendor), |sent| vendor.list_price(sent, exemptions))
}

fn fields_of(vendor: &Vendor) -> HeaderFields {
    match vendor.list_reads_headers() {
        true => HeaderFields::Needed,
        false => HeaderFields::Unneeded,
    }
}

/// The price of the place alone: the highest of its directive and of the price files that count.
fn own_price<R: ServerRequest>(request: &mut R, files: PriceFiles) -> Result<u32, PriceFault> {
    let mut highest = price_of_directive(request)?;
    if files == PriceFiles::Skip || !request.options().has_price_files() {
        return Ok(highest);
    }
    let Some(file) = request.file() else { return Ok(highest) };
    for (at, name) in priced_names(&file).iter().enumerate() {
        let price = match request.read_price_file(name, at == 0) {
            Ok(None) => continue,
            Ok(Some(text)) => parse_price(&text),
            Err(reason) => {
                return Err(unreadable(&reason, &request.price_file_of(name)));
            }
        };
        let coins = in_coins(request, price);
        let coins = coins.map_err(|error| unreadable(&error, &request.price_file_of(name)))?;
        highest = highest.max(coins);
    }
    Ok(highest)
}

fn price_of_directive<R: ServerRequest>(request: &mut R) -> Result<u32, PriceFault> {
    let price = match request.options().price {
        None => return Ok(0),
        Some(PriceValue::Fixed(price)) => Ok(price),
        Some(PriceValue::Varying(expression)) => {
            let text = request.evaluate(R::PRICE, expression);
            parse_price(text.ok_or(PriceFault::NoValue)?)
        }
    };
    in_coins(request, price).map_err(|error| unreadable(&error, R::PRICE))
}

/// A price in base coins.
fn in_coins<R: ServerRequest>(
    request: &R,
    price: Result<Price, PriceError>,
) -> Result<u32, PriceError> {
    match request.vendor() {
        Some(vendor) => vendor.coins(price?),
        None => price?.coins(None),
    }
}

fn unreadable(reason: &dyn std::fmt::Display, stands_in: &str) -> PriceFault {
    PriceFault::Unreadable(Box::new(price_unreadable(reason, stands_in)))
}

/// What a receipt opens here. If that has no value, it opens the one page.
fn receipt_path<R: ServerRequest>(request: &mut R) -> Option<Vec<u8>> {
    let expression = match request.options().receipt_path()? {
        Value::Fixed(text) => return Some(text.as_ref().to_vec()),
        Value::Varying(expression) => *expression,
    };
    let path = request.evaluate(R::RECEIPT_PATH, expression)?;
    (!path.is_empty()).then(|| path.to_vec())
}
