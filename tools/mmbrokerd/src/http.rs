//! The interface for programs, over HTTP. `docs/reference/broker-service.md` describes it.
//!
//! Input: requests. Output: responses. The invariants: every size that a client controls has a
//! bound here or in the messages; whatever moves coins or money is identified by its message or its
//! Transaction-ID, so that the same request again gets the same answer; no response is cached
//! unless it has a tag.

mod answer;
mod api;
mod auth;
mod body;
mod complaints;
mod connections;
mod messages;
mod periods;
mod purchases;
mod server;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use tokio::sync::Semaphore;

use crate::service::Service;
use crate::shop::{Shop, ShopSettings};

use crate::places::{Places, VendorNetworks};

pub use self::api::document;
pub(crate) use self::auth::key_of;
pub use self::auth::{give_key, new_key};
pub use self::body::{
    COMPLAINT_SIZE_MAX, LARGE_MIB_MAX, ORDER_SIZE_MAX, OWNERS_SIZE_MAX, PLACE_SIZE,
    REDEMPTION_SIZE_MAX, RETURN_SIZE_MAX, UPLOADS_MAX, WATCH_SIZE_MAX,
};
pub use self::complaints::{COMPLAINT_TEXT_MAX, COMPLAINTS_PER_USER_MAX};
pub use self::connections::{CONNECTIONS_MAX, RESERVED_DESCRIPTORS};
pub use self::server::{Listening, ServerError, TlsFiles, bind, listen, listen_on};
pub use crate::places::{KNOWN_NETWORKS_MAX, NETWORK_PART, STRANGERS_PART};

/// What the interface needs.
pub struct App {
    service: Arc<Service>,
    /// The public URL, without a slash at the end.
    url: String,
    /// The most sets in one order.
    sets_max: u32,
    /// The memory for large messages.
    large: Arc<Places>,
    /// How many large messages are judged at a time, which bounds the memory.
    judging: Semaphore,
    /// The pages for people.
    shop: Arc<Shop>,
    /// How many large batches are received and judged at a time.
    uploads: Arc<Places>,
    /// From where vendors were heard of.
    vendors: VendorNetworks,
}

impl App {
    /// The interface of a broker whose public URL is `url`.
    pub fn new(service: Arc<Service>, url: &str, sets_max: u32, shop: ShopSettings) -> App {
        App {
            shop: Arc::new(Shop::new(Arc::clone(&service), url, sets_max, shop)),
            service,
            url: url.trim_end_matches('/').to_string(),
            sets_max,
            large: Places::new(body::PLACES),
            judging: Semaphore::new(1),
            uploads: Places::new(UPLOADS_MAX),
            vendors: VendorNetworks::default(),
        }
    }

    /// The broker.
    pub fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// The path of the public URL: empty, or such as `/coins`.
    fn path(&self) -> &str {
        let after_scheme = self.url.split_once("://").map_or("", |(_, rest)| rest);
        after_scheme.find('/').map_or("", |at| &after_scheme[at..])
    }
}

/// All routes.
pub fn router(app: Arc<App>) -> Router {
    let path = app.path().to_string();
    let routes = Router::new()
        .route("/openapi.json", get(api::openapi))
        .route("/health", get(periods::health))
        .route("/v1/account", get(purchases::account))
        .route("/v1/purchases", get(purchases::page).post(purchases::buy))
        .route("/v1/purchases/{transaction}", get(purchases::fetch))
        .route("/v1/purchases/{transaction}/received", post(purchases::received))
        .route("/v1/returns", post(messages::take_back))
        .route("/return", post(messages::take_back))
        .route("/v1/redemptions", post(messages::redeem))
        .route("/v1/watch", post(messages::watch))
        .route("/v1/periods/{period}/params", get(periods::params))
        .route("/v1/periods/{period}/revoked", get(periods::revoked))
        .route("/v1/periods/{period}/owners", post(messages::owners))
        .route("/v1/complaints", post(complaints::complain))
        .merge(crate::shop::routes(&app.shop));
    let routes = if path.is_empty() {
        routes
    } else {
        let first = get(crate::shop::without_slash).with_state(Arc::clone(&app.shop));
        Router::new().route(&format!("{path}/"), first).nest(&path, routes)
    };
    routes
        .route("/.well-known/micromint-broker", get(periods::well_known))
        .fallback(answer::no_such_path)
        .method_not_allowed_fallback(answer::wrong_method)
        .with_state(app)
}
