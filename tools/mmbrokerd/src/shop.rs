//! The broker's pages for people: readers, vendors and operators.
//!
//! Input: requests of browsers. Output: pages in English and German that work without JavaScript,
//! except for passkeys. The invariants: nothing is changed by a GET; a POST is accepted from the
//! broker's own pages only, and with the token of its session; every form has a largest size; a
//! form that is sent twice does its work once.

mod answer;
mod attempts;
mod audit;
mod bank;
mod booking;
mod complaints;
mod conservation;
mod export;
mod figures;
mod form;
mod hooks;
mod links;
mod login;
mod mail;
mod metrics;
mod money;
mod network;
mod operator;
mod orders;
mod paging;
mod passkeys;
mod password;
mod payouts;
mod people;
mod periods;
mod plot;
mod proof;
mod random;
mod reader;
mod relying;
mod sepa;
mod settings;
mod style;
mod trial;
mod vendor;
mod view;
mod visitor;
mod vouchers;
mod words;

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::middleware::from_fn_with_state;
use axum::response::Redirect;
use axum::routing::{get, post};

use self::figures::Figures;
use self::password::Passwords;
use self::relying::RelyingParty;
use crate::places::Places;
use crate::service::Service;

pub(crate) use self::answer::page_with_form;
pub(crate) use self::audit::{Act, last_moved_to};
pub use self::audit::{AuditRow, audit_faults, last_rows};
pub use self::booking::{BookRefusal, Booked, RUN_FILE_SIZE_MAX, RunFile, Short, book_run};
pub use self::complaints::{ANSWERS_MAX, COMPLAINT_CHARS_SHOWN_MAX, COMPLAINTS_SHOWN_MAX};
pub use self::form::{FORM_FIELDS_MAX, FORM_SIZE_MAX, LARGE_FORMS_MAX};
pub use self::hooks::{HOOK_SIZE_MAX, LARGE_HOOKS_MAX};
pub use self::mail::{MailSettings, MailTls, Mailer};
pub use self::money::{DepositRefusal, REFERENCE_LEN_MAX, Sum, deposit, sums};
pub(crate) use self::network::network_of;
pub use self::network::{Network, PROXIES_MAX, Proxies};
pub use self::operator::ROWS_SHOWN_MAX;
pub use self::orders::REFUSED_ORDERS_MAX;
pub use self::passkeys::{
    PASSKEY_CHALLENGES_MAX, PASSKEY_NAME_LEN_MAX, PASSKEYS_MAX, count_passkeys,
};
pub use self::payouts::RUNS_SHOWN_MAX;
pub use self::payouts::{ListedRun, list_runs};
pub use self::people::{Role, give_password, new_password, set_person};
pub use self::proof::{NoProof, PROOF_PATH, ProofSource, Proofs};
pub use self::relying::{PASSKEY_ANSWER_SIZE_MAX, PASSKEY_ID_SIZE_MAX};
pub use self::settings::ShopSettings;
pub use self::vendor::act_for_vendor;
pub(crate) use self::visitor::session_user;
pub use self::vouchers::BATCHES_SHOWN_MAX;
pub use self::vouchers::VOUCHERS_MAX;
pub use self::words::{Language, Words};

/// What the pages need.
pub struct Shop {
    service: Arc<Service>,
    /// The public URL, without a slash at the end.
    url: String,
    /// The path of the public URL: empty, or such as `/coins`.
    base: String,
    /// The most sets in one order.
    sets_max: u32,
    settings: ShopSettings,
    passwords: Passwords,
    /// Places for large forms that are read.
    large_forms: Arc<Places>,
    /// Places for large webhooks that are read.
    large_hooks: Arc<Places>,
    /// What asks for passkeys, or the message that says why there are none.
    relying: Result<RelyingParty, &'static str>,
    /// Numbers and checks of the whole broker, which are kept for a while.
    figures: Figures,
    /// Seals what forms carry for people who are not logged in.
    key: [u8; 32],
}

impl Shop {
    /// The pages of a broker whose public URL is `url`.
    pub fn new(service: Arc<Service>, url: &str, sets_max: u32, settings: ShopSettings) -> Shop {
        let url = url.trim_end_matches('/').to_string();
        let after_scheme = url.split_once("://").map_or("", |(_, rest)| rest);
        let base = after_scheme.find('/').map_or("", |at| &after_scheme[at..]).to_string();
        let key = random::derived(service.secret().as_bytes(), "micromint shop");
        let passwords = Passwords::new(settings.password_kib);
        let relying = RelyingParty::of(&url, &settings.name);
        let large_forms = Places::new(LARGE_FORMS_MAX);
        let figures = Figures::default();
        let large_hooks = Places::new(LARGE_HOOKS_MAX);
        Shop {
            service,
            url,
            base,
            sets_max,
            settings,
            passwords,
            large_forms,
            large_hooks,
            relying,
            figures,
            key,
        }
    }

    /// The network that a request comes from, as limits count it; empty where the peer is unknown.
    pub(crate) fn network(&self, headers: &HeaderMap, peer: Option<IpAddr>) -> String {
        peer.map_or_else(String::new, |peer| {
            network_of(self.settings.proxies.client(headers, peer))
        })
    }

    /// Whose `X-Forwarded-For` is believed.
    pub(crate) fn proxies(&self) -> &Proxies {
        &self.settings.proxies
    }

    /// Whether people reach the pages with TLS.
    fn is_secure(&self) -> bool {
        self.url.starts_with("https://")
    }

    /// The scheme, host and port of the public URL, as browsers send it in `Origin`.
    fn origin(&self) -> &str {
        &self.url[..self.url.len() - self.base.len()]
    }
}

/// Goes to the first page of a broker whose public URL has a path, from that path with a slash.
pub(crate) async fn without_slash(
    State(shop): State<Arc<Shop>>,
    RawQuery(query): RawQuery,
) -> Redirect {
    let query = query.map_or(String::new(), |query| format!("?{query}"));
    Redirect::temporary(&format!("{}{query}", shop.base))
}

/// The routes of the pages.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(shop: &Arc<Shop>) -> Router<S> {
    let hooks = Router::new()
        .route("/hooks/{source}", post(hooks::take))
        .route("/metrics", get(metrics::metrics));
    Router::new()
        .merge(operator_routes())
        .route("/", get(reader::home))
        .route("/shop.css", get(style::redirect))
        .route("/{file}", get(style::file))
        .route("/language/{code}", get(login::language))
        .route("/wallet", get(reader::wallet))
        .route("/register", get(login::register_page).post(login::register))
        .route("/login", get(login::login_page).post(login::login))
        .route("/login/passkey", post(passkeys::login))
        .route("/login/passkey/challenge", post(passkeys::login_challenge))
        .route("/logout", post(login::logout))
        .route("/lost", get(links::lost_page).post(links::lost))
        .route("/reset", post(links::reset))
        .route("/reset/{token}", get(links::reset_page))
        .route("/confirm", post(links::confirm))
        .route("/confirm/{token}", get(links::confirm_page))
        .route("/account", get(login::account))
        .route("/account/mail", post(links::set_mail))
        .route("/account/password", post(login::change_password))
        .route("/account/passkeys", get(passkeys::page).post(passkeys::add))
        .route("/account/passkeys/challenge", post(passkeys::add_challenge))
        .route("/account/passkeys/remove", post(passkeys::remove))
        .route("/account/passkeys/{passkey}", get(passkeys::remove_page))
        .route("/account/sessions/end", post(login::end_session))
        .route("/account/key", post(login::make_key))
        .route("/account/keys/end", post(login::end_keys))
        .route("/account/close", post(login::close))
        .route("/account/export", get(export::export))
        .route("/buy", get(reader::buy_page).post(reader::buy))
        .route("/buy/free", post(trial::take))
        .route("/purchases", get(reader::purchases))
        .route("/purchases/{transaction}", get(reader::purchase))
        .route("/purchases/{transaction}/coins", get(reader::coins))
        .route("/purchases/{transaction}/received", post(reader::received))
        .route("/voucher", get(vouchers::voucher_page).post(vouchers::redeem))
        .route("/bank", post(bank::set))
        .route("/account/refund", post(bank::refund))
        .route("/complaints", get(complaints::page).post(complaints::complain))
        .route("/complaints/answer", post(complaints::answer))
        .route("/complaints/{number}", get(complaints::one))
        .route("/vendor", get(vendor::vendors).post(vendor::add))
        .route("/vendor/{vendor}", get(vendor::vendor))
        .route("/vendor/{vendor}/csv", get(vendor::csv))
        .route("/vendor/{vendor}/key", post(vendor::key))
        .route("/vendor/{vendor}/key/replace", post(vendor::replace_key))
        .layer(from_fn_with_state(Arc::clone(shop), answer::around))
        .merge(hooks)
        .with_state(Arc::clone(shop))
}

fn operator_routes() -> Router<Arc<Shop>> {
    Router::new()
        .route("/operator", get(operator::dashboard))
        .route("/operator/sums", get(money::sums_page))
        .route("/operator/deposit", get(money::deposit_page).post(money::deposit_form_sent))
        .route("/operator/vouchers", get(vouchers::batches).post(vouchers::make))
        .route("/operator/vouchers/print", post(vouchers::print_again))
        .route("/operator/vouchers/void", post(vouchers::void))
        .route("/operator/vouchers/release", post(vouchers::release))
        .route("/operator/payouts", get(payouts::runs).post(payouts::make))
        .route("/operator/payouts/{run}", get(payouts::run))
        .route("/operator/payouts/{run}/csv", get(payouts::csv))
        .route("/operator/payouts/{run}/sepa", get(payouts::xml))
        .route("/operator/payouts/{run}/paid", post(payouts::paid))
        .route("/operator/payouts/{run}/failed", post(payouts::failed))
        .route("/operator/payouts/{run}/again", post(payouts::again))
        .route("/operator/vendors", get(operator::vendors).post(operator::add_vendor))
        .route("/operator/vendors/disable", post(operator::disable))
        .route("/operator/vendors/enable", post(operator::enable))
        .route("/operator/complaints", get(operator::complaints_page))
        .route("/operator/disputes", get(operator::disputes).post(operator::rule))
        .route("/operator/users", get(operator::users))
        .route("/operator/people", get(links::people_page).post(links::people_found))
        .route("/operator/people/link", post(links::issue))
        .route("/operator/periods", get(periods::page))
        .route("/operator/periods/mint", post(periods::mint))
        .route("/operator/periods/stop", post(periods::stop))
        .route("/operator/audit", get(operator::audit_page))
}
