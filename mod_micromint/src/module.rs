//! The directives, what they set, and how places inherit. `docs/reference/apache.md` describes them
//! for webmasters.

use std::sync::Arc;

use micromint::host::{SystemClock, SystemEntropy};
use micromint::vendor::{FREE_VIEWS_MAX, Vendor, parse_price, parse_receipt_path};

use crate::ap::{ConfigPlace, Expression, Text};

/// The configuration of a server.
#[derive(Clone, Default)]
pub(crate) struct ServerConfig {
    vendor: Option<Arc<Vendor>>,
}

/// The configuration of a place: a server, a directory, a location, a file, or the scope of an
/// `.htaccess` file. Apache merges these again for each request, so they are plain values.
#[derive(Clone, Copy, Default)]
pub(crate) struct PlaceConfig {
    gate: Option<Gate>,
    price: Option<Price>,
    refuses_subrequests: Option<bool>,
    /// The inner `None` is the word `Off`, which cancels the value of an outer level.
    receipt_path: Option<Option<Value>>,
    has_price_files: Option<bool>,
    free_views: Option<u32>,
    is_dry_run: Option<bool>,
    event_log: Option<EventLog>,
}

/// `MicroMint`: where the paywall applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Nowhere.
    Off,
    /// Before every page.
    On,
    /// Before pages that `Require micromint` let pass.
    Require,
}

/// `MicroMintPrice`.
#[derive(Clone, Copy)]
pub(crate) enum Price {
    /// A number.
    Fixed(u32),
    /// An expression, evaluated for each request.
    Varying(Expression),
}

/// A text, or an expression that is evaluated for each request.
#[derive(Clone, Copy)]
pub(crate) enum Value {
    /// A constant text.
    Fixed(Text),
    /// An expression.
    Varying(Expression),
}

/// `MicroMintLog`: how events are written into the error log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventLog {
    /// Not at all.
    Off,
    /// As a line of words.
    Plain,
    /// As a JSON object.
    Json,
}

impl ServerConfig {
    /// Merges a virtual host's configuration `own` into that of its server, `outer`.
    pub(crate) fn merged(outer: &ServerConfig, own: &ServerConfig) -> ServerConfig {
        ServerConfig { vendor: own.vendor.clone().or_else(|| outer.vendor.clone()) }
    }

    /// The vendor of this server.
    pub(crate) fn vendor(&self) -> Option<&Arc<Vendor>> {
        self.vendor.as_ref()
    }
}

impl PlaceConfig {
    /// The values where nothing is set.
    pub(crate) const NONE: PlaceConfig = PlaceConfig {
        gate: None,
        price: None,
        refuses_subrequests: None,
        receipt_path: None,
        has_price_files: None,
        free_views: None,
        is_dry_run: None,
        event_log: None,
    };

    /// Merges a place's configuration `own` into `outer`. A price at this level without a word
    /// about the paywall turns it on: a page is not given away because a directive was forgotten.
    pub(crate) fn merged(outer: &PlaceConfig, own: &PlaceConfig) -> PlaceConfig {
        let implied = own.price.and(Some(Gate::On)).filter(|_| !outer.is_gated());
        PlaceConfig {
            gate: own.gate.or(implied).or(outer.gate),
            price: own.price.or(outer.price),
            refuses_subrequests: own.refuses_subrequests.or(outer.refuses_subrequests),
            receipt_path: own.receipt_path.or(outer.receipt_path),
            has_price_files: own.has_price_files.or(outer.has_price_files),
            free_views: own.free_views.or(outer.free_views),
            is_dry_run: own.is_dry_run.or(outer.is_dry_run),
            event_log: own.event_log.or(outer.event_log),
        }
    }

    /// Where the paywall applies. A price alone turns it on.
    pub(crate) fn gate(&self) -> Gate {
        let implied = self.price.map_or(Gate::Off, |_| Gate::On);
        self.gate.unwrap_or(implied)
    }

    /// Whether the paywall applies to any request.
    pub(crate) fn is_gated(&self) -> bool {
        self.gate() != Gate::Off
    }

    /// The price of a page that has no price file.
    pub(crate) fn price(&self) -> Option<Price> {
        self.price
    }

    /// Whether the price of a file is looked up beside it.
    pub(crate) fn has_price_files(&self) -> bool {
        self.has_price_files.unwrap_or(true)
    }

    /// Whether a priced page must not be part of another page's response.
    pub(crate) fn refuses_subrequests(&self) -> bool {
        self.refuses_subrequests.unwrap_or(false)
    }

    /// What a receipt opens, if more than one page.
    pub(crate) fn receipt_path(&self) -> Option<Value> {
        self.receipt_path?
    }

    /// The number of pages that a visitor sees per day without paying.
    pub(crate) fn free_views(&self) -> u32 {
        self.free_views.unwrap_or(0)
    }

    /// Whether payments are only reported and nothing is charged.
    pub(crate) fn is_dry_run(&self) -> bool {
        self.is_dry_run.unwrap_or(false)
    }

    /// How events are written into the error log.
    pub(crate) fn event_log(&self) -> EventLog {
        self.event_log.unwrap_or(EventLog::Off)
    }
}

/// `MicroMintConfig FILE`.
pub(crate) fn set_config(
    place: &mut ConfigPlace,
    server: &mut ServerConfig,
    file: &[u8],
) -> Result<(), String> {
    let path = place.server_relative(file).ok_or("the file name cannot be made a path")?;
    let position = place.position();
    let module = place.module();
    if let Some(vendor) = module.vendors.iter().find(|vendor| vendor.path() == path) {
        server.vendor = Some(Arc::clone(vendor));
        return Ok(());
    }
    let vendor = Arc::new(
        Vendor::read(path, position, Arc::new(SystemClock), Arc::new(SystemEntropy))
            .map_err(|error| error.to_string())?,
    );
    module.vendors.push(Arc::clone(&vendor));
    server.vendor = Some(vendor);
    Ok(())
}

/// `MicroMint On | Off | Require`.
pub(crate) fn set_gate(
    place: &mut ConfigPlace,
    own: &mut PlaceConfig,
    word: &[u8],
) -> Result<(), String> {
    let gate = match word.to_ascii_lowercase().as_slice() {
        b"on" => Gate::On,
        b"off" => Gate::Off,
        b"require" => Gate::Require,
        _ => return Err(unexpected("On, Off or Require", word)),
    };
    if gate != Gate::Off {
        place.note_gate("MicroMint");
    }
    own.gate = Some(gate);
    Ok(())
}

/// `MicroMintPrice NUMBER | EXPRESSION`.
pub(crate) fn set_price(
    place: &mut ConfigPlace,
    own: &mut PlaceConfig,
    text: &[u8],
) -> Result<(), String> {
    own.price = Some(match expression(text) {
        Some(text) => Price::Varying(place.parse_expression(text)?),
        None => Price::Fixed(parse_price(text).map_err(|error| error.to_string())?),
    });
    place.note_gate("MicroMintPrice");
    Ok(())
}

/// The expression in a value, if it contains one: `expr=…`, or anything with a `%{…}` in it.
fn expression(text: &[u8]) -> Option<&[u8]> {
    let has_variable = text.windows(2).any(|pair| pair == b"%{");
    text.strip_prefix(b"expr=").or(has_variable.then_some(text))
}

/// `MicroMintReceiptPath PATH | EXPRESSION | Off`.
pub(crate) fn set_receipt_path(
    place: &mut ConfigPlace,
    own: &mut PlaceConfig,
    text: &[u8],
) -> Result<(), String> {
    own.receipt_path = Some(match expression(text) {
        _ if text.eq_ignore_ascii_case(b"off") => None,
        Some(text) => Some(Value::Varying(place.parse_expression(text)?)),
        None => {
            parse_receipt_path(text).map_err(|error| error.to_string())?;
            Some(Value::Fixed(place.keep(text)))
        }
    });
    Ok(())
}

/// `MicroMintFreeViews NUMBER`.
pub(crate) fn set_free_views(
    _: &mut ConfigPlace,
    own: &mut PlaceConfig,
    text: &[u8],
) -> Result<(), String> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    own.free_views = number.filter(|number| *number <= FREE_VIEWS_MAX);
    match own.free_views {
        Some(_) => Ok(()),
        None => Err(unexpected(&format!("a number from 0 to {FREE_VIEWS_MAX}"), text)),
    }
}

/// `MicroMintDryRun On | Off`.
pub(crate) fn set_dry_run(
    _: &mut ConfigPlace,
    own: &mut PlaceConfig,
    word: &[u8],
) -> Result<(), String> {
    own.is_dry_run = Some(on_or_off(word)?);
    Ok(())
}

/// `MicroMintPriceFiles On | Off`.
pub(crate) fn set_price_files(
    _: &mut ConfigPlace,
    own: &mut PlaceConfig,
    word: &[u8],
) -> Result<(), String> {
    own.has_price_files = Some(on_or_off(word)?);
    Ok(())
}

fn on_or_off(word: &[u8]) -> Result<bool, String> {
    match word.to_ascii_lowercase().as_slice() {
        b"on" => Ok(true),
        b"off" => Ok(false),
        _ => Err(unexpected("On or Off", word)),
    }
}

/// `MicroMintLog Off | Plain | JSON`.
pub(crate) fn set_log(
    _: &mut ConfigPlace,
    own: &mut PlaceConfig,
    word: &[u8],
) -> Result<(), String> {
    own.event_log = Some(match word.to_ascii_lowercase().as_slice() {
        b"off" => EventLog::Off,
        b"plain" => EventLog::Plain,
        b"json" => EventLog::Json,
        _ => return Err(unexpected("Off, Plain or JSON", word)),
    });
    Ok(())
}

/// `MicroMintSubrequests Allow | Refuse`.
pub(crate) fn set_subrequests(
    _: &mut ConfigPlace,
    own: &mut PlaceConfig,
    word: &[u8],
) -> Result<(), String> {
    own.refuses_subrequests = Some(match word.to_ascii_lowercase().as_slice() {
        b"allow" => false,
        b"refuse" => true,
        _ => return Err(unexpected("Allow or Refuse", word)),
    });
    Ok(())
}

/// Apache prefixes the directive's position and name.
fn unexpected(expected: &str, found: &[u8]) -> String {
    format!("expected {expected}, found {:?}", String::from_utf8_lossy(found))
}

/// A variable that the module sets in the environment, for logs, expressions and the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variable {
    /// The outcome of the request at the paywall.
    Status,
    /// The price of the page.
    Price,
    /// The coins that this request recorded.
    Coins,
    /// The User-ID of the payer, or of the sender of a refused payment.
    User,
    /// All of it as one line; known when the request is over.
    Event,
}

impl Variable {
    /// Its name.
    pub(crate) fn name(self) -> &'static std::ffi::CStr {
        match self {
            Variable::Status => c"MICROMINT_STATUS",
            Variable::Price => c"MICROMINT_PRICE",
            Variable::Coins => c"MICROMINT_COINS",
            Variable::User => c"MICROMINT_USER",
            Variable::Event => c"MICROMINT_EVENT",
        }
    }
}
