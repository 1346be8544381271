//! The directives, what they set, and how places inherit. `docs/reference/apache.md` describes them
//! for webmasters.

use std::sync::Arc;

use micromint::host::{SystemClock, SystemEntropy};
use micromint::vendor::Vendor;
use micromint::vendor::gate::{self, EventFormat, Mode, OptionError, Options, PriceValue, Syntax};

use crate::ap::{ConfigPlace, Expression, Text};

/// The configuration of a server.
#[derive(Clone, Default)]
pub(crate) struct ServerConfig {
    vendor: Option<Arc<Vendor>>,
}

/// The configuration of a place: a server, a directory, a location, a file, or the scope of an
/// `.htaccess` file. Apache merges these again for each request, so they are plain values.
pub(crate) type PlaceConfig = Options<Apache>;

/// How Apache writes values in its configuration.
pub(crate) struct Apache;

impl Syntax for Apache {
    type Text = Text;
    type Expression = Expression;
    type Log = EventFormat;

    /// `expr=…`, or anything with a `%{…}` in it.
    fn expression(word: &[u8]) -> Option<&[u8]> {
        let has_variable = word.windows(2).any(|pair| pair == b"%{");
        word.strip_prefix(b"expr=").or(has_variable.then_some(word))
    }
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

/// `MicroMintConfig FILE`.
pub(crate) fn set_config(
    place: &mut ConfigPlace,
    server: &mut ServerConfig,
    file: &[u8],
) -> Result<(), String> {
    let path = place.server_relative(file).ok_or("the file name cannot be made a path")?;
    let position = place.position();
    let module = place.module();
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
    let vendor = module.vendors.named(path, position, clock, entropy);
    server.vendor = Some(vendor.map_err(|error| error.to_string())?);
    Ok(())
}

/// `MicroMint On | Off | Require`.
pub(crate) fn set_gate(
    place: &mut ConfigPlace,
    own: &mut PlaceConfig,
    word: &[u8],
) -> Result<(), String> {
    own.set_mode(word, true).map_err(text)?;
    if own.mode() != Mode::Off {
        place.note_gate("MicroMint", own.mode(), None);
    }
    Ok(())
}

/// `MicroMintPrice NUMBER | "AMOUNT" | EXPRESSION`.
pub(crate) fn set_price(
    place: &mut ConfigPlace,
    own: &mut PlaceConfig,
    word: &[u8],
) -> Result<(), String> {
    own.set_price(word, |expression| place.parse_expression(expression)).map_err(text)?;
    let fixed = match own.price {
        Some(PriceValue::Fixed(price)) => Some(price),
        _ => None,
    };
    place.note_gate("MicroMintPrice", Mode::On, fixed);
    Ok(())
}

/// `MicroMintReceiptPath PATH | EXPRESSION | Off`.
pub(crate) fn set_receipt_path(
    place: &mut ConfigPlace,
    own: &mut PlaceConfig,
    word: &[u8],
) -> Result<(), String> {
    let kept = place.keep(word);
    own.set_receipt_path(word, |text| place.parse_expression(text), |_| kept).map_err(text)
}

macro_rules! simple_setters {
    ($($(#[$doc:meta])* $name:ident;)*) => {
        $($(#[$doc])*
        pub(crate) fn $name(
            _: &mut ConfigPlace,
            own: &mut PlaceConfig,
            word: &[u8],
        ) -> Result<(), String> {
            own.$name(word).map_err(text)
        })*
    };
}

simple_setters! {
    /// `MicroMintFreeViews NUMBER`.
    set_free_views;
    /// `MicroMintDryRun On | Off`.
    set_dry_run;
    /// `MicroMintPriceFiles On | Off`.
    set_price_files;
    /// `MicroMintExemptions On | Off`.
    set_exemptions;
    /// `MicroMintRedirects Charge | Reverse`.
    set_redirects;
    /// `MicroMintSubrequests Allow | Refuse`.
    set_subrequests;
}

/// `MicroMintLog Off | Plain | JSON`.
pub(crate) fn set_log(
    _: &mut ConfigPlace,
    own: &mut PlaceConfig,
    word: &[u8],
) -> Result<(), String> {
    own.log = Some(EventFormat::parse(word).map_err(text)?);
    Ok(())
}

/// Apache prefixes the directive's position and name.
fn text(error: OptionError) -> String {
    error.to_string()
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

impl From<gate::Variable> for Variable {
    fn from(variable: gate::Variable) -> Variable {
        match variable {
            gate::Variable::Status => Variable::Status,
            gate::Variable::Price => Variable::Price,
            gate::Variable::Coins => Variable::Coins,
            gate::Variable::User => Variable::User,
        }
    }
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
