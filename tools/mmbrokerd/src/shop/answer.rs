//! What is around every page: who asks, from where, the headers, and refusals in words.
//!
//! Input: a request. Output: a response. The invariants: a POST that another site caused is
//! refused; every response has the headers that bound what a browser does with it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, LOCATION, ORIGIN, REFERER, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};

use super::Shop;
use super::people::Role;
use super::view::{Page, Part, render};
use super::visitor::Visitor;
use crate::service::ServiceError;
use crate::store::StoreError;

/// What a browser may do with a page: no scripts, no frames, styles and forms of the broker.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; form-action 'self'; frame-ancestors 'none'; \
                      base-uri 'none'";
/// The same for the pages with passkeys, which have a script of the broker.
const POLICY_WITH_SCRIPT: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                                  img-src 'self' data:; connect-src 'self'; form-action 'self'; \
                                  frame-ancestors 'none'; base-uri 'none'";

/// Why a request is refused, as the name of a message.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    status: StatusCode,
    name: &'static str,
    arguments: Vec<(&'static str, Argument)>,
    /// The page with the form, if the address of the form does not tell it.
    back: Option<String>,
}

/// An argument of a message.
#[derive(Clone, Debug)]
enum Argument {
    /// As it is.
    Value(String),
    /// The words of this message.
    Words(&'static str),
}

/// What a handler returns.
pub(super) type Answer = Result<Response, Refused>;

/// A refusal with the status that its name has.
pub(super) fn refuse(name: &'static str) -> Refused {
    let status = match name {
        "error-no-page" | "error-no-purchase" => StatusCode::NOT_FOUND,
        "error-too-large" => StatusCode::PAYLOAD_TOO_LARGE,
        "error-too-slow" => StatusCode::REQUEST_TIMEOUT,
        "error-too-often" => StatusCode::TOO_MANY_REQUESTS,
        "error-other-site" | "error-token" | "error-role" => StatusCode::FORBIDDEN,
        "error-broker" | "error-busy" | "error-many-forms" | "error-restored" => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    Refused { status, name, arguments: Vec::new(), back: None }
}

impl Refused {
    /// Whether it is the refusal with this message.
    pub(super) fn is(&self, name: &str) -> bool {
        self.name == name
    }

    pub(super) fn with(mut self, key: &'static str, value: impl ToString) -> Refused {
        self.arguments.push((key, Argument::Value(value.to_string())));
        self
    }

    /// Names the page of the broker to which the refusal leads back.
    pub(super) fn back_to(mut self, page: String) -> Refused {
        self.back = Some(page);
        self
    }

    /// Adds the words of another message as an argument.
    pub(super) fn with_words(mut self, key: &'static str, name: &'static str) -> Refused {
        self.arguments.push((key, Argument::Words(name)));
        self
    }
}

impl From<ServiceError> for Refused {
    fn from(error: ServiceError) -> Refused {
        micromint_console::tell!("mmbrokerd: error: {}", micromint::error::chain(&error));
        match error {
            ServiceError::Store(StoreError::Halted(why)) => {
                refuse("error-restored").with("why", why)
            }
            _ => refuse("error-broker"),
        }
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Refused {
        ServiceError::from(error).into()
    }
}

impl From<sqlx::Error> for Refused {
    fn from(error: sqlx::Error) -> Refused {
        StoreError::from(error).into()
    }
}

impl From<askama::Error> for Refused {
    fn from(error: askama::Error) -> Refused {
        micromint_console::tell!("mmbrokerd: error: page: {error}");
        refuse("error-broker")
    }
}

/// [`around`] makes a page of it.
impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Goes to another page of the broker with GET.
pub(super) fn to(shop: &Shop, path: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    if let Ok(address) = HeaderValue::try_from(format!("{}{path}", shop.base)) {
        response.headers_mut().insert(LOCATION, address);
    }
    response
}

/// The response with a page.
pub(super) fn show(shop: &Shop, visitor: &Visitor, page: &Page) -> Answer {
    let mut response = Html(render(&visitor.frame(shop), page)?).into_response();
    if page.has_script {
        let policy = HeaderValue::from_static(POLICY_WITH_SCRIPT);
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    Ok(response)
}

/// Finds out who asks, refuses what other sites caused, and adds the headers.
pub(super) async fn around(
    State(shop): State<Arc<Shop>>,
    mut request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
    let visitor = match Visitor::of(&shop, request.headers(), peer).await {
        Ok(visitor) => visitor,
        Err(refused) => {
            let nobody = Visitor::nobody(request.headers());
            return finished(&shop, &nobody, refused.into_response(), None);
        }
    };
    let is_write = !matches!(*request.method(), Method::GET | Method::HEAD);
    if let Some(peer) = peer.filter(|_| is_write && shop.is_secure()) {
        shop.settings.proxies.tell(request.headers(), peer.ip());
    }
    if is_write && is_of_other_site(&shop, request.headers()) {
        return finished(&shop, &visitor, refuse("error-other-site").into_response(), None);
    }
    let path = below_base(&shop, request.uri().path());
    let back = page_before(&shop, request.headers()).or_else(|| page_of_form(path));
    let back = back.filter(|_| is_write);
    request.extensions_mut().insert(visitor.clone());
    let response = next.run(request).await;
    finished(&shop, &visitor, response, back)
}

/// A path below the path of the public URL, which the router may have left out already.
fn below_base<'a>(shop: &Shop, path: &'a str) -> &'a str {
    path.strip_prefix(&shop.base).filter(|rest| rest.starts_with('/')).unwrap_or(path)
}

/// Goes to the page with the form that is sent to a path, for a browser that asks for the address
/// of the form itself. `None` if it is a path for programs.
pub(crate) fn page_with_form(shop: &Shop, path: &str) -> Option<Response> {
    let path = below_base(shop, path);
    if ["/v1/", "/return", "/hooks/"].into_iter().any(|start| path.starts_with(start)) {
        return None;
    }
    Some(to(shop, &page_of_form(path).unwrap_or_else(|| "/".to_string())))
}

/// Whether the browser says that another site caused the request. Browsers that say nothing are
/// bound by the token of the session alone.
pub(super) fn is_of_other_site(shop: &Shop, headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    match text(HeaderName::from_static("sec-fetch-site")) {
        Some("same-origin" | "none") => false,
        Some(_) => true,
        None => text(ORIGIN).is_some_and(|origin| origin != shop.origin()),
    }
}

/// The page of the broker whose form was sent or link was followed, below the broker's address.
pub(super) fn page_before(shop: &Shop, headers: &HeaderMap) -> Option<String> {
    let page = url::Url::parse(headers.get(REFERER)?.to_str().ok()?).ok()?;
    let is_own = page.origin().ascii_serialization() == shop.origin();
    let path = page.path().strip_prefix(&shop.base).filter(|path| path.starts_with('/'))?;
    let query = page.query().map_or(String::new(), |query| format!("?{query}"));
    // A path that begins with two slashes names another host.
    (is_own && !path.starts_with("//")).then(|| format!("{path}{query}"))
}

/// The page with the form that is sent to a path, for browsers that do not tell it.
fn page_of_form(path: &str) -> Option<String> {
    let mut parts = path.split('/').skip(1);
    let (first, second) = (parts.next()?, parts.next());
    Some(match (first, second) {
        ("account", Some("passkeys")) => "/account/passkeys".to_string(),
        ("account" | "bank", _) => "/account".to_string(),
        ("login" | "register" | "lost" | "buy" | "voucher" | "complaints", _) => {
            format!("/{first}")
        }
        ("purchases" | "vendor" | "operator", Some(second)) => format!("/{first}/{second}"),
        ("vendor", None) => "/vendor".to_string(),
        _ => return None,
    })
}

fn finished(
    shop: &Shop,
    visitor: &Visitor,
    mut response: Response,
    back: Option<String>,
) -> Response {
    let refused = response.extensions_mut().remove::<Refused>();
    // An address that is not even one: a path that is no UTF-8, or a parameter that comes twice.
    let is_malformed = response.status() == StatusCode::BAD_REQUEST;
    if let Some(refused) = refused.or_else(|| is_malformed.then(|| refuse("error-no-page"))) {
        let back = refused.back.clone().or(back);
        response = refusal_page(shop, visitor, &refused, back);
    }
    let headers = response.headers_mut();
    let mut add = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    add(CACHE_CONTROL, "no-store");
    add(CONTENT_SECURITY_POLICY, POLICY);
    add(X_CONTENT_TYPE_OPTIONS, "nosniff");
    add(X_FRAME_OPTIONS, "DENY");
    add(REFERRER_POLICY, "same-origin");
    add(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    add(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    add(
        HeaderName::from_static("permissions-policy"),
        "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    );
    if shop.is_secure() {
        add(STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    response
}

fn refusal_page(
    shop: &Shop,
    visitor: &Visitor,
    refused: &Refused,
    back: Option<String>,
) -> Response {
    let words = visitor.words;
    let of = |argument: &Argument| match argument {
        Argument::Value(text) => text.clone(),
        Argument::Words(name) => words.get(name),
    };
    let arguments: Vec<(&'static str, String)> =
        refused.arguments.iter().map(|(key, argument)| (*key, of(argument))).collect();
    let arguments: Vec<(&'static str, &str)> =
        arguments.iter().map(|(key, text)| (*key, text.as_str())).collect();
    let mut links = vec![("/".to_string(), words.get("home-link"))];
    if let Some(page) = back {
        links.insert(0, (page, words.get("back-link")));
    }
    // An operator is who can end a halt.
    let is_operator = visitor.login.as_ref().is_some_and(|(person, _)| person.role != Role::None);
    let name = match refused.name {
        "error-restored" if is_operator => "operator-halted",
        name => name,
    };
    let page = Page::new(words.get("error-title"))
        .with(Part::Bad(words.with(name, &arguments)))
        .with(Part::Links(links));
    match render(&visitor.frame(shop), &page) {
        Ok(html) => (refused.status, Html(html)).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_has_a_page() {
        for (path, page) in [
            ("/account/close", Some("/account")),
            ("/account/passkeys/remove", Some("/account/passkeys")),
            ("/bank", Some("/account")),
            ("/buy/free", Some("/buy")),
            ("/purchases/7/received", Some("/purchases/7")),
            ("/vendor", Some("/vendor")),
            ("/vendor/news.example/key", Some("/vendor/news.example")),
            ("/operator/payouts/1/paid", Some("/operator/payouts")),
            ("/reset", None),
            ("/nothing", None),
            ("", None),
        ] {
            assert_eq!(page_of_form(path).as_deref(), page, "{path}");
        }
    }
}
