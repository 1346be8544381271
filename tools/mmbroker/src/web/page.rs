//! The HTML pages. The templates in `templates/` need no scripts; askama escapes every value.

use askama::Template;
use micromint::identity::UserId;
use micromint::params::Params;
use micromint::period::Period;
use micromint::time::UnixTime;

/// The form with the number of sets.
#[derive(Template)]
#[template(path = "form.html")]
struct FormPage<'a> {
    period: &'a Period,
    user: &'a UserId,
    start: UnixTime,
    expiration: UnixTime,
    /// The most coins in one set.
    coins: u64,
    coin_value: String,
    /// The most sets that can be bought with this form.
    sets_max: u64,
    transaction: u64,
}

#[derive(Template)]
#[template(path = "sold_out.html")]
struct SoldOutPage<'a> {
    period: &'a Period,
}

#[derive(Template)]
#[template(path = "expired.html")]
struct ExpiredPage<'a> {
    period: &'a Period,
    user: &'a UserId,
    expiration: UnixTime,
    redeem_until: UnixTime,
    /// The path of this page on the server.
    script: &'a str,
}

#[derive(Template)]
#[template(path = "refusal.html")]
struct RefusalPage<'a> {
    status: u16,
    reason: &'a str,
}

/// The form that buys up to `sets_max` sets. If `sets_max` is 0, a page that says that all coins
/// are sold.
pub(super) fn form_page(params: &Params, user: &UserId, sets_max: u64, transaction: u64) -> String {
    let (raw, period) = (params.raw(), params.period());
    if sets_max == 0 {
        return rendered(&SoldOutPage { period });
    }
    let (start, expiration, coins) = (raw.start, raw.expiration, params.subbin_count().into());
    let coin_value = raw.coin_value.to_string();
    rendered(&FormPage {
        period,
        user,
        start,
        expiration,
        coins,
        coin_value,
        sets_max,
        transaction,
    })
}

/// The page after the expiration, with the link to return unspent coins.
pub(super) fn expired_page(params: &Params, user: &UserId, script: &str) -> String {
    let (raw, period) = (params.raw(), params.period());
    let (expiration, redeem_until) = (raw.expiration, raw.redeem_until);
    rendered(&ExpiredPage { period, user, expiration, redeem_until, script })
}

/// The page of a refusal or an error.
pub(super) fn refusal_page(status: u16, reason: &str) -> String {
    rendered(&RefusalPage { status, reason })
}

fn rendered(page: &impl Template) -> String {
    // Values print themselves, and writing to a String cannot fail.
    page.render().unwrap_or_default()
}
