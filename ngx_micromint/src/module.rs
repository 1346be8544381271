//! The directives, what they set, and the variables. `docs/nginx.md` describes them for webmasters.

use std::sync::Arc;

use micromint::vendor::price::parse_price;

use crate::sys::{ComplexValue, ConfigPlace, ThreadPool};
use crate::vendor::Vendor;

/// What a server of the configuration has.
#[derive(Default)]
pub(crate) struct ServerConfig {
    vendor: Option<Arc<Vendor>>,
    pool: Option<ThreadPool>,
}

/// What a location of the configuration has.
#[derive(Default)]
pub(crate) struct LocationConfig {
    gate: Option<Gate>,
    price: Option<Price>,
    refuses_subrequests: Option<bool>,
}

/// `micromint`: whether the gate is there, and where that is said.
#[derive(Clone)]
struct Gate {
    is_on: bool,
    /// Turned on by `micromint_price`, with no word of `micromint` at this level.
    is_implied: bool,
    position: String,
}

/// `micromint_price`.
#[derive(Clone, Copy)]
pub(crate) enum Price {
    /// A number.
    Fixed(u32),
    /// A value with variables, read anew for each request.
    Varying(ComplexValue),
}

impl ServerConfig {
    /// Takes from http{} what the server itself does not say.
    pub(crate) fn inherit(&mut self, parent: &ServerConfig) {
        self.vendor = self.vendor.take().or_else(|| parent.vendor.clone());
        self.pool = self.pool.or(parent.pool);
    }

    /// Who sells here.
    pub(crate) fn vendor(&self) -> Option<&Arc<Vendor>> {
        self.vendor.as_ref()
    }

    /// Where its disk work is done.
    pub(crate) fn pool(&self) -> Option<ThreadPool> {
        self.pool
    }
}

impl LocationConfig {
    /// Takes from the level above what this one does not say. A price said here without a word about the
    /// gate turns the gate on: a page is not given away because a directive was forgotten.
    pub(crate) fn inherit(&mut self, parent: &LocationConfig, place: &mut ConfigPlace) -> Result<(), ()> {
        self.gate = self.gate.take().or_else(|| parent.gate.clone());
        self.price = self.price.or(parent.price);
        self.refuses_subrequests = self.refuses_subrequests.or(parent.refuses_subrequests);
        match &self.gate {
            Some(gate) if gate.is_on && place.server().vendor().is_none() => {
                place.refuse_at(
                    &gate.position,
                    "\"micromint\" or \"micromint_price\" needs a \"micromint_config\"",
                );
                Err(())
            }
            _ => Ok(()),
        }
    }

    /// Whether requests pass the gate.
    pub(crate) fn is_gated(&self) -> bool {
        self.gate.as_ref().is_some_and(|gate| gate.is_on)
    }

    /// What a page costs that has no price file.
    pub(crate) fn price(&self) -> Option<Price> {
        self.price
    }

    /// Whether a priced page may not be part of another one's answer.
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
    let position = place.position();
    let module = place.module();
    if let Some(vendor) = module.vendors.iter().find(|vendor| vendor.path() == path) {
        server.vendor = Some(Arc::clone(vendor));
        return Ok(());
    }
    let vendor = Arc::new(Vendor::read(path, position).map_err(|error| error.to_string())?);
    module.vendors.push(Arc::clone(&vendor));
    server.vendor = Some(vendor);
    Ok(())
}

/// `micromint on | off`.
pub(crate) fn set_gate(place: &mut ConfigPlace, location: &mut LocationConfig) -> Result<(), String> {
    let is_on = on_or_off(place, "micromint")?;
    if location.gate.as_ref().is_some_and(|gate| !gate.is_implied) {
        return Err("\"micromint\" directive is duplicate".to_string());
    }
    location.gate = Some(Gate { is_on, is_implied: false, position: place.position() });
    Ok(())
}

/// `micromint_price NUMBER | VARIABLE`.
pub(crate) fn set_price(place: &mut ConfigPlace, location: &mut LocationConfig) -> Result<(), String> {
    if location.price.is_some() {
        return Err("\"micromint_price\" directive is duplicate".to_string());
    }
    let text = word(place).to_vec();
    location.price = Some(if text.contains(&b'$') {
        Price::Varying(place.compile(&text).ok_or(String::new())?)
    } else {
        Price::Fixed(parse_price(&text).map_err(|error| format!("\"micromint_price\": {error}"))?)
    });
    location.gate.get_or_insert_with(|| Gate { is_on: true, is_implied: true, position: place.position() });
    Ok(())
}

/// `micromint_subrequests allow | refuse`.
pub(crate) fn set_subrequests(place: &mut ConfigPlace, location: &mut LocationConfig) -> Result<(), String> {
    if location.refuses_subrequests.is_some() {
        return Err("\"micromint_subrequests\" directive is duplicate".to_string());
    }
    location.refuses_subrequests = Some(match word(place) {
        b"allow" => false,
        b"refuse" => true,
        other => return Err(unexpected("micromint_subrequests", "\"allow\" or \"refuse\"", other)),
    });
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

/// The directive's one argument; nginx has counted them.
fn word(place: &ConfigPlace) -> &[u8] {
    place.words().into_iter().nth(1).unwrap_or_default()
}

/// A variable of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variable {
    /// What became of the request at the gate.
    Status,
    /// What the page costs.
    Price,
    /// The coins that this request recorded.
    Coins,
    /// Who paid or tried to.
    User,
}

impl Variable {
    /// All of them.
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
