//! What the gate asks about a request at a location, in nginx's terms.

use micromint::vendor::gate::{FileName, HeaderFields, Options, ServerRequest};
use micromint::vendor::{
    PRICE_FILE_SIZE_MAX, PRICE_FILE_SUFFIX, Request as PaywallRequest, Vendor,
};

use super::is_folder;
use crate::module::Nginx;
use crate::sys::{ComplexValue, Request};

impl ServerRequest for Request {
    type Syntax = Nginx;
    const PRICE: &'static str = "micromint_price";
    const RECEIPT_PATH: &'static str = "micromint_receipt_path";

    fn options(&self) -> &Options<Nginx> {
        &self.location().options
    }

    fn vendor(&self) -> Option<&Vendor> {
        self.server().vendor().map(|vendor| &**vendor)
    }

    fn path(&self) -> &[u8] {
        Request::path(self)
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

    /// nginx itself logs why there is no value.
    fn evaluate(&mut self, _: &str, expression: ComplexValue) -> Option<&[u8]> {
        Request::evaluate(self, &expression)
    }

    fn file(&self) -> Option<FileName> {
        (!is_folder(self)).then(|| FileName::from_slice(self.file_path()))
    }

    fn read_price_file(&mut self, name: &[u8], is_own: bool) -> Result<Option<Vec<u8>>, String> {
        // nginx maps the path to the file, so only the name of a variant is passed to it.
        let variant = name.rsplit(|byte| *byte == b'/').next().filter(|_| !is_own);
        self.read_beside(variant, PRICE_FILE_SUFFIX, PRICE_FILE_SIZE_MAX)
    }

    fn price_file_of(&self, name: &[u8]) -> String {
        format!("the price file of {}", String::from_utf8_lossy(name))
    }
}
