//! The directives, what they set, and how places inherit. `docs/apache.md` describes them for webmasters.

use std::sync::Arc;

use micromint::vendor::price::parse_price;

use crate::ap::{ConfigPlace, Expression};
use crate::vendor::Vendor;

/// What a server of the configuration has.
#[derive(Clone, Default)]
pub(crate) struct ServerConfig {
    vendor: Option<Arc<Vendor>>,
}

/// What a place has: a server, a directory, a location, a file, or what an `.htaccess` speaks of. Apache merges
/// these anew for each request, so they are plain values.
#[derive(Clone, Copy, Default)]
pub(crate) struct PlaceConfig {
    gate: Option<Gate>,
    price: Option<Price>,
    refuses_subrequests: Option<bool>,
}

/// `MicroMint`: where the gate stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// Nowhere.
    Off,
    /// Before every page.
    On,
    /// Before what `Require micromint` let pass.
    Require,
}

/// `MicroMintPrice`.
#[derive(Clone, Copy)]
pub(crate) enum Price {
    /// A number.
    Fixed(u32),
    /// An expression, read anew for each request.
    Varying(Expression),
}

impl ServerConfig {
    /// What a virtual host has that says `own`, within a server that says `outer`.
    pub(crate) fn merged(outer: &ServerConfig, own: &ServerConfig) -> ServerConfig {
        ServerConfig { vendor: own.vendor.clone().or_else(|| outer.vendor.clone()) }
    }

    /// Who sells here.
    pub(crate) fn vendor(&self) -> Option<&Arc<Vendor>> {
        self.vendor.as_ref()
    }
}

impl PlaceConfig {
    /// Where nothing was said.
    pub(crate) const NONE: PlaceConfig = PlaceConfig { gate: None, price: None, refuses_subrequests: None };

    /// What a place has that says `own`, within one that has `outer`. A price said here without a word about
    /// the gate turns the gate on: a page is not given away because a directive was forgotten.
    pub(crate) fn merged(outer: &PlaceConfig, own: &PlaceConfig) -> PlaceConfig {
        let implied = own.price.and(Some(Gate::On)).filter(|_| !outer.is_gated());
        PlaceConfig {
            gate: own.gate.or(implied).or(outer.gate),
            price: own.price.or(outer.price),
            refuses_subrequests: own.refuses_subrequests.or(outer.refuses_subrequests),
        }
    }

    /// Where the gate stands. A price alone turns it on.
    pub(crate) fn gate(&self) -> Gate {
        let implied = self.price.map_or(Gate::Off, |_| Gate::On);
        self.gate.unwrap_or(implied)
    }

    /// Whether there is a gate for any request.
    pub(crate) fn is_gated(&self) -> bool {
        self.gate() != Gate::Off
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

/// `MicroMintConfig FILE`.
pub(crate) fn set_config(
    place: &mut ConfigPlace,
    server: &mut ServerConfig,
    file: &[u8],
) -> Result<(), String> {
    let path = place.server_relative(file).ok_or("the file's name is no path")?;
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

/// `MicroMint On | Off | Require`.
pub(crate) fn set_gate(place: &mut ConfigPlace, own: &mut PlaceConfig, word: &[u8]) -> Result<(), String> {
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
pub(crate) fn set_price(place: &mut ConfigPlace, own: &mut PlaceConfig, text: &[u8]) -> Result<(), String> {
    let expression = text.strip_prefix(b"expr=").or(text.contains(&b'%').then_some(text));
    own.price = Some(match expression {
        Some(text) => Price::Varying(place.parse_expression(text)?),
        None => Price::Fixed(parse_price(text).map_err(|error| error.to_string())?),
    });
    place.note_gate("MicroMintPrice");
    Ok(())
}

/// `MicroMintSubrequests Allow | Refuse`.
pub(crate) fn set_subrequests(_: &mut ConfigPlace, own: &mut PlaceConfig, word: &[u8]) -> Result<(), String> {
    own.refuses_subrequests = Some(match word.to_ascii_lowercase().as_slice() {
        b"allow" => false,
        b"refuse" => true,
        _ => return Err(unexpected("Allow or Refuse", word)),
    });
    Ok(())
}

/// Apache puts the directive's place and name before it.
fn unexpected(expected: &str, found: &[u8]) -> String {
    format!("expected {expected}, found {:?}", String::from_utf8_lossy(found))
}

/// A variable of the environment that we set, for logs, expressions and what makes the content.
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
    /// Its name.
    pub(crate) fn name(self) -> &'static std::ffi::CStr {
        match self {
            Variable::Status => c"MICROMINT_STATUS",
            Variable::Price => c"MICROMINT_PRICE",
            Variable::Coins => c"MICROMINT_COINS",
            Variable::User => c"MICROMINT_USER",
        }
    }
}
