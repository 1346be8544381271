//! The directives, what they set, and the variables. `docs/reference/nginx.md` describes them for
//! webmasters.

use std::sync::Arc;

use micromint::host::{SystemClock, SystemEntropy};
use micromint::vendor::Vendor;
use micromint::vendor::gate::{EventFormat, OptionError, Options, PriceValue, Syntax, Variable};

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
    /// The options of the gate.
    pub(crate) options: Options<Nginx>,
    /// Who reads for free: requests for which this is neither empty nor `0`.
    pub(crate) free_if: Option<ComplexValue>,
    /// The position of the directive that switched the paywall on.
    gate_position: Option<String>,
}

/// How nginx writes values in its configuration.
pub(crate) struct Nginx;

impl Syntax for Nginx {
    type Text = Vec<u8>;
    type Expression = ComplexValue;
    type Log = EventLog;

    fn expression(word: &[u8]) -> Option<&[u8]> {
        word.contains(&b'$').then_some(word)
    }
}

/// `micromint_log`.
#[derive(Clone, Copy)]
pub(crate) struct EventLog {
    /// How an event is written.
    pub(crate) format: EventFormat,
    /// The file, if it is not nginx's error log.
    pub(crate) file: Option<LogFile>,
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
    /// Inherits from the outer level what this one does not set.
    pub(crate) fn inherit(
        &mut self,
        parent: &LocationConfig,
        place: &mut ConfigPlace,
    ) -> Result<(), ()> {
        self.options = self.options.within(&parent.options);
        self.free_if = self.free_if.or(parent.free_if);
        self.gate_position = self.gate_position.take().or_else(|| parent.gate_position.clone());
        let Some(position) = self.gate_position.as_ref().filter(|_| self.options.is_gated()) else {
            return Ok(());
        };
        let fault = match (place.server().vendor(), self.options.price) {
            (None, _) => {
                "\"micromint\" and \"micromint_price\" require a \"micromint_config\"".to_string()
            }
            (Some(vendor), Some(PriceValue::Fixed(price))) => match vendor.coins(price) {
                Ok(_) => return Ok(()),
                Err(error) => format!("\"micromint_price\": {error}"),
            },
            _ => return Ok(()),
        };
        place.refuse_at(position, &fault);
        Err(())
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
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    let vendor = module.vendors.named(path, position, clock, entropy);
    server.vendor = Some(vendor.map_err(|error| error.to_string())?);
    Ok(())
}

/// `micromint on | off`.
pub(crate) fn set_gate(
    place: &mut ConfigPlace,
    location: &mut LocationConfig,
) -> Result<(), String> {
    once("micromint", &location.options.mode)?;
    location.gate_position = Some(place.position());
    named("micromint", location.options.set_mode(word(place), false))
}

/// `micromint_price NUMBER | "AMOUNT" | VARIABLE`.
pub(crate) fn set_price(
    place: &mut ConfigPlace,
    location: &mut LocationConfig,
) -> Result<(), String> {
    const NAME: &str = "micromint_price";
    once(NAME, &location.options.price)?;
    let text = word(place).to_vec();
    let position = place.position();
    location.gate_position.get_or_insert(position);
    named(NAME, location.options.set_price(&text, |text| compile(place, text)))
}

/// `micromint_free_if VALUE WITH VARIABLES`.
pub(crate) fn set_free_if(
    place: &mut ConfigPlace,
    location: &mut LocationConfig,
) -> Result<(), String> {
    const NAME: &str = "micromint_free_if";
    once(NAME, &location.free_if)?;
    let text = word(place).to_vec();
    if Nginx::expression(&text).is_none() {
        let found = String::from_utf8_lossy(&text);
        return Err(format!("\"{NAME}\": expected a variable, found \"{found}\""));
    }
    location.free_if = Some(compile(place, &text)?);
    Ok(())
}

/// `micromint_price_files on | off`.
pub(crate) fn set_price_files(
    place: &mut ConfigPlace,
    location: &mut LocationConfig,
) -> Result<(), String> {
    const NAME: &str = "micromint_price_files";
    once(NAME, &location.options.has_price_files)?;
    named(NAME, location.options.set_price_files(word(place)))
}

/// `micromint_exemptions on | off`.
pub(crate) fn set_exemptions(
    place: &mut ConfigPlace,
    location: &mut LocationConfig,
) -> Result<(), String> {
    const NAME: &str = "micromint_exemptions";
    once(NAME, &location.options.exemptions)?;
    named(NAME, location.options.set_exemptions(word(place)))
}

/// `micromint_redirects charge | reverse`.
pub(crate) fn set_redirects(
    place: &mut ConfigPlace,
    location: &mut LocationConfig,
) -> Result<(), String> {
    const NAME: &str = "micromint_redirects";
    once(NAME, &location.options.charges_redirects)?;
    named(NAME, location.options.set_redirects(word(place)))
}

/// `micromint_subrequests allow | refuse`.
pub(crate) fn set_subrequests(
    place: &mut ConfigPlace,
    location: &mut LocationConfig,
) -> Result<(), String> {
    const NAME: &str = "micromint_subrequests";
    once(NAME, &location.options.refuses_subrequests)?;
    named(NAME, location.options.set_subrequests(word(place)))
}

/// `micromint_receipt_path PATH | VALUE WITH VARIABLES | off`.
pub(crate) fn set_receipt_path(
    place: &mut ConfigPlace,
    location: &mut LocationConfig,
) -> Result<(), String> {
    const NAME: &str = "micromint_receipt_path";
    once(NAME, &location.options.receipt_path)?;
    let text = word(place).to_vec();
    let compile = |text: &[u8]| compile(place, text);
    named(NAME, location.options.set_receipt_path(&text, compile, <[u8]>::to_vec))
}

/// `micromint_free_views NUMBER`.
pub(crate) fn set_free_views(
    place: &mut ConfigPlace,
    location: &mut LocationConfig,
) -> Result<(), String> {
    const NAME: &str = "micromint_free_views";
    once(NAME, &location.options.free_views)?;
    named(NAME, location.options.set_free_views(word(place)))
}

/// `micromint_dry_run on | off`.
pub(crate) fn set_dry_run(
    place: &mut ConfigPlace,
    location: &mut LocationConfig,
) -> Result<(), String> {
    const NAME: &str = "micromint_dry_run";
    once(NAME, &location.options.is_dry_run)?;
    named(NAME, location.options.set_dry_run(word(place)))
}

/// `micromint_log off | plain | json [FILE]`.
pub(crate) fn set_log(
    place: &mut ConfigPlace,
    location: &mut LocationConfig,
) -> Result<(), String> {
    const NAME: &str = "micromint_log";
    once(NAME, &location.options.log)?;
    let file = place.words().get(2).map(|path| path.to_vec());
    let format = EventFormat::parse(word(place));
    let format = format.map_err(|error| format!("\"{NAME}\": {error}"))?;
    if format.is_none() && file.is_some() {
        return Err(format!("\"{NAME} off\": expected no file"));
    }
    let file = match &file {
        Some(path) => Some(place.log_file(path).ok_or(String::new())?),
        None => None,
    };
    location.options.log = Some(format.map(|format| EventLog { format, file }));
    Ok(())
}

/// A directive may occur at most once at each level.
fn once<T>(directive: &str, slot: &Option<T>) -> Result<(), String> {
    if slot.is_some() {
        return Err(format!("\"{directive}\" directive is duplicate"));
    }
    Ok(())
}

/// The message about a directive's value; empty if nginx has already logged why.
fn named(directive: &str, set: Result<(), OptionError>) -> Result<(), String> {
    set.map_err(|error| match error {
        OptionError::Server(reason) if reason.is_empty() => reason,
        error => format!("\"{directive}\": {error}"),
    })
}

/// Compiles a value with variables. nginx has logged why it refuses one.
fn compile(place: &mut ConfigPlace, text: &[u8]) -> Result<ComplexValue, String> {
    place.compile(text).ok_or_else(String::new)
}

/// The directive's only argument; nginx has checked the number.
fn word(place: &ConfigPlace) -> &[u8] {
    place.words().into_iter().nth(1).unwrap_or_default()
}

/// The name of a variable, without the dollar.
pub(crate) fn variable_name(variable: Variable) -> &'static str {
    match variable {
        Variable::Status => "micromint_status",
        Variable::Price => "micromint_price",
        Variable::Coins => "micromint_coins",
        Variable::User => "micromint_user",
    }
}
