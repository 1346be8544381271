//! The broker's web site: the form with the number of sets, the sale, and returns (thesis 3.2.2,
//! 3.4.1).
//!
//! Input: a request in the terms of the Common Gateway Interface (RFC 3875). Output: a response.
//! The broker in the crate `micromint` decides about sales and returns; this module parses forms
//! and chooses the status. The web server authenticates users, and the broker sells only to them.
//! The invariants: a form that is sent twice is one sale, because it contains its Transaction-ID;
//! no page of another site can buy in a user's name; every value in a page is escaped, and no page
//! is cached.
//!
//! | path | GET | POST |
//! |---|---|---|
//! | (none) or `/` | the form | the form sent: Funds-Withdrawn; a Request-Credit: Funds-Credited |
//! | `/expired` | Send-Expired | |
//! | `/return` | | a Request-Credit: Funds-Credited |

mod page;

use std::fmt::Display;

use self::page::{expired_page, form_page, refusal_page};
use crate::common::report_alarm;
use micromint::broker::{Alarm, Broker, SaleRefusal};
use micromint::identity::{IdentityError, UserId};
use micromint::period::Period;
use micromint::protocol::{
    MEDIA_TYPE, NOT_SOLD_HEADER, PERIOD_HEADER, RequestCredit, SETS_PER_WITHDRAWAL_MAX, Url,
    parse_decimal,
};
use micromint::reply::Reply;
use micromint::time::UnixTime;
use micromint_console::ToolError;

/// The largest submitted form, in bytes.
pub(crate) const FORM_SIZE_MAX: usize = 4 * 1024;
/// The largest body of any request, in bytes: a Request-Credit of a million balls.
pub(crate) const BODY_SIZE_MAX: usize = 16 * 1024 * 1024;
/// The default of `MICROMINT_SETS_MAX`: the most sets in one sale over the web.
pub(crate) const WEB_SETS_MAX_DEFAULT: u32 = 100;

const FORM_TYPE: &str = "application/x-www-form-urlencoded";

/// The configuration of the site.
#[derive(Clone, Debug)]
pub(crate) struct WebSettings {
    /// The most sets in one sale.
    pub(crate) sets_max: u32,
    /// The public URL of the site, without a slash at the end. Returns go to `/return` below it.
    pub(crate) url: String,
}

/// A request, as the meta-variables of RFC 3875, 4.1.
#[derive(Clone, Debug, Default)]
pub(crate) struct WebRequest {
    /// REQUEST_METHOD.
    pub(crate) method: String,
    /// PATH_INFO.
    pub(crate) path: String,
    /// SCRIPT_NAME: the path of the program on the server.
    pub(crate) script: String,
    /// REMOTE_USER: the user that the web server authenticated.
    pub(crate) remote_user: Option<String>,
    /// CONTENT_TYPE.
    pub(crate) content_type: Option<String>,
    /// HTTP_SEC_FETCH_SITE.
    pub(crate) sec_fetch_site: Option<String>,
    /// HTTP_ORIGIN.
    pub(crate) origin: Option<String>,
    /// HTTP_HOST.
    pub(crate) host: Option<String>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WebResponse {
    /// The status code.
    pub(crate) status: u16,
    /// The headers, names in their usual case.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The body.
    pub(crate) body: Vec<u8>,
    /// The reason of a refusal or an error, which the page in the body gives.
    pub(crate) reason: Option<String>,
}

impl WebResponse {
    /// The response for a program that accepts these media types: a refusal is then one line of
    /// text instead of a page.
    pub(crate) fn for_accept(mut self, accept: Option<&str>) -> WebResponse {
        let takes_pages =
            accept.is_none_or(|types| types.contains("html") || types.contains("*/*"));
        if let Some(reason) = self.reason.as_ref().filter(|_| !takes_pages) {
            self.body = format!("{reason}\n").into_bytes();
            let of_page = ["Content-Type", "Content-Security-Policy"];
            self.headers.retain(|(name, _)| !of_page.contains(name));
            self.headers.push(("Content-Type", "text/plain; charset=utf-8".to_string()));
        }
        self
    }
}

/// Answers a request. `number` is a new random number, which becomes the Transaction-ID of a new
/// form or return.
///
/// # Errors
/// The broker's files cannot be used; the program answers 500.
pub(crate) fn respond(
    broker: &mut Broker,
    settings: &WebSettings,
    request: &WebRequest,
    number: u64,
    now: UnixTime,
) -> Result<WebResponse, ToolError> {
    Site { broker, settings, number, now }.respond(request)
}

/// The context of one request.
struct Site<'a> {
    broker: &'a mut Broker,
    settings: &'a WebSettings,
    number: u64,
    now: UnixTime,
}

impl Site<'_> {
    fn respond(&mut self, request: &WebRequest) -> Result<WebResponse, ToolError> {
        let is_read = matches!(request.method.as_str(), "GET" | "HEAD");
        let is_post = request.method == "POST";
        match request.path.as_str() {
            "" | "/" if is_read => self.form(request),
            "" | "/" if is_post && request.media_type() == FORM_TYPE => self.sale(request),
            "" | "/" | "/return" if is_post => self.take_back(request),
            "/expired" if is_read => Ok(self.invitation(request)),
            "" | "/" => Ok(wrong_method("GET, HEAD, POST")),
            "/return" => Ok(wrong_method("POST")),
            "/expired" => Ok(wrong_method("GET, HEAD")),
            _ => Ok(refusal(404, "This page does not exist.")),
        }
    }

    fn form(&mut self, request: &WebRequest) -> Result<WebResponse, ToolError> {
        let user = match request.user() {
            Ok(user) => user,
            Err(response) => return Ok(response),
        };
        // Other processes may have sold sets since the broker was opened.
        let left = self.broker.status()?.sets_left;
        let params = self.broker.params();
        let page = if self.now >= params.raw().expiration {
            expired_page(params, &user, &request.script)
        } else {
            let most = left.min(self.settings.sets_max.into());
            form_page(params, &user, most, self.number)
        };
        let mut response = html(200, page);
        response.headers.push((PERIOD_HEADER, params.period().to_string()));
        Ok(response)
    }

    fn sale(&mut self, request: &WebRequest) -> Result<WebResponse, ToolError> {
        let user = match request.user().and_then(|user| request.check_same_site().map(|()| user)) {
            Ok(user) => user,
            Err(response) => return Ok(response),
        };
        let Some(SaleForm { sets, transaction, period }) = SaleForm::parse(&request.body) else {
            return Ok(refusal(
                400,
                "Expected a form with the fields sets and transaction, or transaction alone to get \
                the coins of that sale again. Load the page again and send its form.",
            ));
        };
        let own = self.broker.params().period().clone();
        if let Some(asked) = period.filter(|asked| *asked != own) {
            // The sale may have been made while the page sold that period.
            return Ok(refusal(
                409,
                format!(
                    "This page sells coins of {own} now, and the form is for {asked}. If you have \
                    bought with it and got no coins, ask the broker for sale {transaction}. \
                    Otherwise load the page again and send its form."
                ),
            ));
        }
        // The limit is for new sales: one that was made before is repeated, or its coins are lost.
        let max = self.settings.sets_max;
        let reply = match sets {
            Some(sets) => self.broker.withdraw_up_to(max, &user, sets, transaction, self.now)?,
            None => self.broker.withdraw_again(&user, transaction)?,
        };
        match reply {
            Reply::Granted(funds) => {
                let name = format!("{}-{transaction}.mm", funds.period());
                let mut response = message(funds.to_bytes());
                response
                    .headers
                    .push(("Content-Disposition", format!("attachment; filename=\"{name}\"")));
                Ok(response)
            }
            Reply::Refused(no) => {
                let mut response = refusal(sale_status(&no), &no);
                if no.is_certain() {
                    response.headers.push((NOT_SOLD_HEADER, format!("{own} {transaction}")));
                }
                Ok(response)
            }
        }
    }

    /// Accepts a Request-Credit. Its authenticator proves the user, so a wallet needs no login at
    /// the web site.
    fn take_back(&mut self, request: &WebRequest) -> Result<WebResponse, ToolError> {
        if request.media_type() != MEDIA_TYPE {
            return Ok(refusal(415, format!("Expected {FORM_TYPE} or {MEDIA_TYPE}.")));
        }
        if request.body.len() > BODY_SIZE_MAX {
            return Ok(refusal(413, format!("Expected at most {BODY_SIZE_MAX} bytes.")));
        }
        let credit = match RequestCredit::parse(&request.body) {
            Ok(credit) => credit,
            Err(error) => return Ok(refusal(400, error)),
        };
        let is_other = |name: &String| name != credit.user.as_str();
        if request.remote_user.as_ref().filter(|name| !name.is_empty()).is_some_and(is_other) {
            return Ok(refusal(403, "The return is not for the user who is logged in."));
        }
        match self.broker.take_back(&credit, self.number, self.now)? {
            Reply::Granted(answer) => {
                // Standard error is the log of the web server.
                report_alarm("mmbroker", &Alarm::of_return(&answer));
                Ok(message(answer.to_bytes()))
            }
            Reply::Refused(no) => Ok(refusal(409, no)),
        }
    }

    fn invitation(&self, request: &WebRequest) -> WebResponse {
        let user = match request.user() {
            Ok(user) => user,
            Err(response) => return response,
        };
        let url: Url = match format!("{}/return", self.settings.url).parse() {
            Ok(url) => url,
            Err(error) => return refusal(500, error),
        };
        match self.broker.send_expired(&user, url, self.now) {
            Some(invitation) => message(invitation.to_bytes()),
            None => {
                let expiration = self.broker.params().raw().expiration;
                refusal(
                    409,
                    format!(
                        "The coins expire at {expiration}. Spend them until then; after that date, \
                        unspent coins can be returned."
                    ),
                )
            }
        }
    }
}

impl WebRequest {
    /// The authenticated user, or the response that refuses the request.
    fn user(&self) -> Result<UserId, WebResponse> {
        let Some(name) = self.remote_user.as_deref().filter(|name| !name.is_empty()) else {
            return Err(refusal(
                403,
                "Log in first. (For the webmaster: the web server set no REMOTE_USER.)",
            ));
        };
        name.parse().map_err(|error| match error {
            IdentityError::UserInUpperCase(_) => refusal(
                403,
                format!(
                    "The account name must be lower case: {:?} instead of {name:?}. (For the \
                     webmaster: the web server's REMOTE_USER is the User-ID.)",
                    name.to_ascii_lowercase()
                ),
            ),
            other => refusal(403, other),
        })
    }

    /// The media type of the body without its parameters, in lower case.
    fn media_type(&self) -> String {
        let text = self.content_type.as_deref().unwrap_or_default();
        text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
    }

    /// Refuses a form from a page of another site. Browsers report the origin of the form in
    /// Sec-Fetch-Site, older ones in Origin; other programs send neither.
    fn check_same_site(&self) -> Result<(), WebResponse> {
        let is_own = match (self.sec_fetch_site.as_deref(), self.origin.as_deref()) {
            (Some(site), _) => site == "same-origin" || site == "none",
            (None, Some(origin)) => {
                let authority =
                    origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
                authority.is_some() && authority == self.host.as_deref()
            }
            (None, None) => true,
        };
        if is_own {
            Ok(())
        } else {
            Err(refusal(
                403,
                "The form was sent from a page of another site. Open this page and send its form.",
            ))
        }
    }
}

/// A submitted form. Its fields are digits, lower-case letters and hyphens, which browsers do not
/// percent-encode.
struct SaleForm {
    /// The number of sets; `None` to get the coins of an earlier sale again.
    sets: Option<u32>,
    transaction: u64,
    /// The period that the buyer expects, if the form names one.
    period: Option<Period>,
}

impl SaleForm {
    fn parse(body: &[u8]) -> Option<SaleForm> {
        let text = std::str::from_utf8(body).ok().filter(|text| text.len() <= FORM_SIZE_MAX)?;
        let values = |name: &str| -> Vec<&str> {
            let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
            pairs.filter(|(found, _)| *found == name).map(|(_, value)| value).collect()
        };
        let number = |name: &str| match values(name).as_slice() {
            [value] => parse_decimal(value),
            _ => None,
        };
        let period = match values("period").as_slice() {
            [] => None,
            [period] => Some(period.parse().ok()?),
            _ => return None,
        };
        let sets = match values("sets").as_slice() {
            [] => None,
            _ => Some(u32::try_from(number("sets")?).unwrap_or(SETS_PER_WITHDRAWAL_MAX + 1)),
        };
        Some(SaleForm { sets, transaction: number("transaction")?, period })
    }
}

fn sale_status(refusal: &SaleRefusal) -> u16 {
    match refusal {
        SaleRefusal::Sets { .. } => 400,
        SaleRefusal::NoUserVector(_) | SaleRefusal::Revoked { .. } => 403,
        SaleRefusal::SoldOut { .. }
        | SaleRefusal::OtherSale { .. }
        | SaleRefusal::NoSuchSale { .. } => 409,
        SaleRefusal::Expired { .. } => 410,
    }
}

fn message(body: Vec<u8>) -> WebResponse {
    WebResponse { status: 200, headers: headers(MEDIA_TYPE), body, reason: None }
}

fn html(status: u16, page: String) -> WebResponse {
    let mut headers = headers("text/html; charset=utf-8");
    let policy =
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'";
    headers.push(("Content-Security-Policy", policy.to_string()));
    WebResponse { status, headers, body: page.into_bytes(), reason: None }
}

/// A page with the reason of a refusal or an error.
pub(crate) fn refusal(status: u16, why: impl Display) -> WebResponse {
    let reason = why.to_string();
    let page = refusal_page(status, &reason);
    WebResponse { reason: Some(reason), ..html(status, page) }
}

fn wrong_method(allowed: &str) -> WebResponse {
    let mut response = refusal(405, format!("Expected {allowed}."));
    response.headers.push(("Allow", allowed.to_string()));
    response
}

fn headers(media_type: &str) -> Vec<(&'static str, String)> {
    vec![
        ("Content-Type", media_type.to_string()),
        ("Cache-Control", "no-store".to_string()),
        ("X-Content-Type-Options", "nosniff".to_string()),
    ]
}

#[cfg(test)]
mod tests;
