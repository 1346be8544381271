//! The directives, what they set, and the variables. `docs/reference/nginx.md` describes them for
//! webmasters.

use std::sync::Arc;

use micromint::host::{SystemClock, SystemEntropy};
use micromint::vendor::{FREE_VIEWS_MAX, Vendor, parse_price, parse_receipt_path};

use crate::sys::{ComplexValue, ConfigPlace, LogFile, ThreadPool};

/// The configuration of a server.
#[derive(Default)]
pub(crate) struct ServerConfig {
    vendor: Option<Arc<Vendor>>,
    pool: Option<ThreadPool>,
}

/// The configuration of a location.
#[derive(Default)]
pub(crate) struct LocationConfig {
    gate: Option<Gate>,
    price: Option<Price>,
    refuses_subrequests: Option<bool>,
    /// The inner `None` is the word `off`, which cancels the value of an outer level.
    receipt_path: Option<Option<Text>>,
    has_price_files: Option<bool>,
    free_views: Option<u32>,
    is_dry_run: Option<bool>,
    event_log: Option<Option<EventLog>>,
}

/// `micromint`: whether the paywall is on, and what decided that.
#[derive(Clone)]
struct Gate {
    is_on: bool,
    /// Turned on by `micromint_price`, without `micromint` at this level.
    is_implied: bool,
    position: String,
}

/// `micromint_price`.
#[derive(Clone, Copy)]
pub(crate) enum Price {
    /// A number.
    Fixed(u32),
    /// A value with variables, evaluated for each request.
    Varying(ComplexValue),
}

/// A text, or a value with variables that is evaluated for each request.
#[derive(Clone)]
pub(crate) enum Text {
    /// A constant text.
    Fixed(Vec<u8>),
    /// With variables.
    Varying(ComplexValue),
}

/// `micromint_log`.
#[derive(Clone, Copy)]
pub(crate) struct EventLog {
    /// How an event is written.
    pub(crate) format: EventFormat,
    /// The file, if it is not nginx's error log.
    pub(crate) file: Option<LogFile>,
}

/// How an event is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventFormat {
    /// As a line of words.
    Plain,
    /// As a JSON object.
    Json,
}

impl ServerConfig {
    /// Inherits from http{} what the server itself does not set.
    pub(crate) fn inherit(&mut self, parent: &ServerConfig) {
        self.vendor = self.vendor.take().or_else(|| parent.vendor.clone());
        self.pool = self.pool.or(parent.pool);
    }

    /// The vendor of this server.
    pub(crate) fn vendor(&self) -> Option<&Arc<Vendor>> {
        self.vendor.as_ref()
    }

    /// The thread pool for its disk access.
    pub(crate) fn pool(&self) -> Option<ThreadPool> {
        self.pool
    }
}

impl LocationConfig {
    /// Inherits from the outer level what this one does not set. A price at this level without
    /// `micromint` turns the paywall on: a page is not given away because a directive was
    /// forgotten.
    pub(crate) fn inherit(
        &mut self,
        parent: &LocationConfig,
        place: &mut ConfigPlace,
    ) -> Result<(), ()> {
        self.gate = self.gate.take().or_else(|| parent.gate.clone());
        self.price = self.price.or(parent.price);
        self.refuses_subrequests = self.refuses_subrequests.or(parent.refuses_subrequests);
        self.receipt_path = self.receipt_path.take().or_else(|| parent.receipt_path.clone());
        self.has_price_files = self.has_price_files.or(parent.has_price_files);
        self.free_views = self.free_views.or(parent.free_views);
        self.is_dry_run = self.is_dry_run.or(parent.is_dry_run);
        self.event_log = self.event_log.or(parent.event_log);
        match &self.gate {
            Some(gate) if gate.is_on && place.server().vendor().is_none() => {
                place.refuse_at(
                    &gate.position,
                    "\"micromint\" and \"micromint_price\" require a \"micromint_config\"",
                );
                Err(())
            }
            _ => Ok(()),
        }
    }

    /// Whether requests pass through the paywall.
    pub(crate) fn is_gated(&self) -> bool {
        self.gate.as_ref().is_some_and(|gate| gate.is_on)
    }

    /// The price of a page that has no price file.
    pub(crate) fn price(&self) -> Option<Price> {
        self.price
    }

    /// Whether the price of a file is looked up beside it.
    pub(crate) fn has_price_files(&self) -> bool {
        self.has_price_files.unwrap_or(true)
    }

    /// What a receipt opens, if more than one page.
    pub(crate) fn receipt_path(&self) -> Option<&Text> {
        self.receipt_path.as_ref()?.as_ref()
    }

    /// The number of pages that a visitor sees per day without paying.
    pub(crate) fn free_views(&self) -> u32 {
        self.free_views.unwrap_or(0)
    }

    /// Whether payments are only reported and nothing is charged.
    pub(crate) fn is_dry_run(&self) -> bool {
        self.is_dry_run.unwrap_or(false)
    }

    /// Where events are written.
    pub(crate) fn event_log(&self) -> Option<&EventLog> {
        self.event_log.as_ref()?.as_ref()
    }

    /// Whether a priced page must not be part of another page's response.
    pub(crate) fn refuses_subrequests(&self) -> bool {
        self.refuses_subrequests.unwrap_or(false)
    }
}

/// `micromint_config FILE`.
pub(crate) fn set_config(place: &mut ConfigPlace, server: &mut ServerConfig) -> Result<(), String> {
    if server.vendor.is_some() {
        return Err("\"micromint_config\" directive is duplicate".to_string());
    }
    let path = place.full_path(word(place)).ok_or("out of memory")?;
    server.pool = Some(place.thread_pool().ok_or(String::new())?);
    place.share_counters().ok_or(String::new())?;
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

/// `micromint on | off`.
pub(crate) fn set_gate(
    place: &mut ConfigPlace,
    location: &mut LocationConfig,
) -> Result<(), String> {
    let is_on = on_or_off(place, "micromint")?;
    if location.gate.as_ref().is_some_and(|gate| !gate.is_implied) {
        return Err("\"micromint\" directive is duplicate".to_string());
    }
    location.gate = Some(Gate { is_on, is_implied: false, position: place.position() });
    Ok(())
}

/// `micromint_price NUMBER | VARIABLE`.
pub(crate) fn set_price(
    place: &mut ConfigPlace,
    location: &mut LocationConfig,
) -> Result<(), String> {
    if location.price.is_some() {
        return Err("\"micromint_price\" directive is duplicate".to_string());
    }
    let text = word(place).to_vec();
    location.price = Some(if text.contains(&b'$') {
        Price::Varying(place.compile(&text).ok_or(String::new())?)
    } else {
        Price::Fixed(parse_price(&text).map_err(|error| format!("\"micromint_price\": {error}"))?)
    });
    location.gate.get_or_insert_with(|| Gate {
        is_on: true,
        is_implied: true,
        position: place.position(),
    });
    Ok(())
}

/// `micromint_price_files on | off`.
pub(crate) fn set_price_files(
    place: &mut ConfigPlace,
    location: &mut LocationConfig,
) -> Result<(), String> {
    const NAME: &str = "micromint_price_files";
    let has_price_files = on_or_off(place, NAME)?;
    once(NAME, &mut location.has_price_files, has_price_files)
}

/// `micromint_subrequests allow | refuse`.
pub(crate) fn set_subrequests(
    place: &mut ConfigPlace,
    location: &mut LocationConfig,
) -> Result<(), String> {
    const NAME: &str = "micromint_subrequests";
    let refuses = match word(place) {
        b"allow" => false,
        b"refuse" => true,
        other => return Err(unexpected(NAME, "\"allow\" or \"refuse\"", other)),
    };
    once(NAME, &mut location.refuses_subrequests, refuses)
}

/// `micromint_receipt_path PATH | VALUE WITH VARIABLES | off`.
pub(crate) fn set_receipt_path(
    place: &mut ConfigPlace,
    location: &mut LocationConfig,
) -> Result<(), String> {
    const NAME: &str = "micromint_receipt_path";
    let text = word(place).to_vec();
    let path = match text.as_slice() {
        b"off" => None,
        varying if varying.contains(&b'$') => {
            Some(Text::Varying(place.compile(varying).ok_or(String::new())?))
        }
        fixed => match parse_receipt_path(fixed) {
            Ok(Some(_)) => Some(Text::Fixed(text)),
            Ok(None) => None,
            Err(error) => return Err(format!("\"{NAME}\": {error}")),
        },
    };
    once(NAME, &mut location.receipt_path, path)
}

/// `micromint_free_views NUMBER`.
pub(crate) fn set_free_views(
    place: &mut ConfigPlace,
    location: &mut LocationConfig,
) -> Result<(), String> {
    const NAME: &str = "micromint_free_views";
    let number = std::str::from_utf8(word(place)).ok().and_then(|text| text.parse().ok());
    let number = number.filter(|number| *number <= FREE_VIEWS_MAX);
    let Some(number) = number else {
        return Err(unexpected(NAME, &format!("a number from 0 to {FREE_VIEWS_MAX}"), word(place)));
    };
    once(NAME, &mut location.free_views, number)
}

/// `micromint_dry_run on | off`.
pub(crate) fn set_dry_run(
    place: &mut ConfigPlace,
    location: &mut LocationConfig,
) -> Result<(), String> {
    const NAME: &str = "micromint_dry_run";
    let is_dry_run = on_or_off(place, NAME)?;
    once(NAME, &mut location.is_dry_run, is_dry_run)
}

/// `micromint_log off | plain | json [FILE]`.
pub(crate) fn set_log(
    place: &mut ConfigPlace,
    location: &mut LocationConfig,
) -> Result<(), String> {
    const NAME: &str = "micromint_log";
    let file = place.words().get(2).map(|path| path.to_vec());
    let format = match (word(place), &file) {
        (b"off", None) => None,
        (b"plain", _) => Some(EventFormat::Plain),
        (b"json", _) => Some(EventFormat::Json),
        (b"off", Some(_)) => return Err(format!("\"{NAME} off\": expected no file")),
        (other, _) => return Err(unexpected(NAME, "\"off\", \"plain\" or \"json\"", other)),
    };
    let file = match &file {
        Some(path) => Some(place.log_file(path).ok_or(String::new())?),
        None => None,
    };
    once(NAME, &mut location.event_log, format.map(|format| EventLog { format, file }))
}

/// Sets the value of a directive, which may occur at most once at each level.
fn once<T>(directive: &str, slot: &mut Option<T>, value: T) -> Result<(), String> {
    if slot.is_some() {
        return Err(format!("\"{directive}\" directive is duplicate"));
    }
    *slot = Some(value);
    Ok(())
}

fn on_or_off(place: &ConfigPlace, directive: &str) -> Result<bool, String> {
    match word(place) {
        b"on" => Ok(true),
        b"off" => Ok(false),
        other => Err(unexpected(directive, "\"on\" or \"off\"", other)),
    }
}

fn unexpected(directive: &str, expected: &str, found: &[u8]) -> String {
    format!("\"{directive}\": expected {expected}, found \"{}\"", String::from_utf8_lossy(found))
}

/// The directive's only argument; nginx has checked the number.
fn word(place: &ConfigPlace) -> &[u8] {
    place.words().into_iter().nth(1).unwrap_or_default()
}

/// A variable of this module.
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
}

impl Variable {
    /// All variables.
    pub(crate) const ALL: [Variable; 4] =
        [Variable::Status, Variable::Price, Variable::Coins, Variable::User];

    /// Its name, without the dollar.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Variable::Status => "micromint_status",
            Variable::Price => "micromint_price",
            Variable::Coins => "micromint_coins",
            Variable::User => "micromint_user",
        }
    }
}
