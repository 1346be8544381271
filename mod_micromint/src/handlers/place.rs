//! What the gate asks about a request at a place, in Apache's terms.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use micromint::vendor::gate::{FileName, HeaderFields, Options, ServerRequest};
use micromint::vendor::{PRICE_FILE_SUFFIX, Request as PaywallRequest, Vendor, read_price_file};

use crate::ap::{Expression, Level, Request};
use crate::module::Apache;

impl ServerRequest for Request<'_> {
    type Syntax = Apache;
    const PRICE: &'static str = "MicroMintPrice";
    const RECEIPT_PATH: &'static str = "MicroMintReceiptPath";

    fn options(&self) -> &Options<Apache> {
        self.place()
    }

    fn vendor(&self) -> Option<&Vendor> {
        self.server().vendor().map(|vendor| &**vendor)
    }

    fn path(&self) -> &[u8] {
        Request::path(*self)
    }

    fn as_sent<T>(&self, fields: HeaderFields, with: impl FnOnce(&PaywallRequest<'_>) -> T) -> T {
        let headers = match fields {
            HeaderFields::Needed => self.headers(),
            HeaderFields::Unneeded => Default::default(),
        };
        with(&PaywallRequest {
            method: self.method(),
            target: self.target(),
            is_https: self.is_https(),
            host: self.host(),
            port: self.port(),
            headers: &headers,
            ..PaywallRequest::default()
        })
    }

    fn evaluate(&mut self, directive: &str, expression: Expression) -> Option<&[u8]> {
        match Request::evaluate(*self, expression) {
            Ok(text) => Some(text),
            Err(reason) => {
                self.log().write(Level::Error, &format!("{directive}: {reason}"));
                None
            }
        }
    }

    fn file(&self) -> Option<FileName> {
        self.filename().filter(|file| !file.ends_with(b"/")).map(FileName::from_slice)
    }

    fn read_price_file(&mut self, name: &[u8], _: bool) -> Result<Option<Vec<u8>>, String> {
        let price_file = beside(name);
        read_price_file(Path::new(OsStr::from_bytes(&price_file)))
            .map_err(|error| error.to_string())
    }

    fn price_file_of(&self, name: &[u8]) -> String {
        String::from_utf8_lossy(&beside(name)).into_owned()
    }
}

/// The price file of a file.
fn beside(name: &[u8]) -> Vec<u8> {
    [name, PRICE_FILE_SUFFIX.as_bytes()].concat()
}
