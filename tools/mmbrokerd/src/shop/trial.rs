//! Free trial sets: sets that the operator gives to readers who have none of the period yet.
//!
//! Input: a reader, and the numbers that the operator chose. Output: an offer, and an order that
//! the promotion pays. The invariants: where mail is sent, only an account with a confirmed address
//! gets them, and an address counts once, whatever the number of its accounts; the sale counts
//! while the period is locked, so neither two tabs nor many accounts get more than there are.

use std::sync::Arc;

use axum::extract::State;
use micromint::identity::UserId;

use super::answer::{Answer, Refused, refuse};
use super::form::Posted;
use super::mail::canonical;
use super::view::{Form, Page, Part};
use super::visitor::Visitor;
use super::{Shop, links, random, reader};
use crate::service::{OpenPeriod, Trial};

/// What a reader is offered.
pub(super) enum Offer {
    /// Nothing: there is no trial, or it was taken, or all are taken.
    Nothing,
    /// This number of sets, once a mail address is confirmed.
    Confirm(u64),
    /// This number of sets.
    Sets(u64),
}

/// The rules by which a reader gets free sets; `None` without a confirmed address that is needed.
async fn trial_of(shop: &Shop, user: &UserId) -> Result<Option<Trial>, Refused> {
    let (for_one, for_all) = (shop.settings.trial_sets, shop.settings.trial_sets_total);
    let mut trial = Trial { for_one, for_all, address: None };
    if shop.settings.mail.is_some() {
        let known = links::confirmed(shop.service.store(), user.as_str()).await?;
        let Some(address) = known else { return Ok(None) };
        let parts = [b"trial address".as_slice(), &canonical(&address).into_bytes()];
        trial.address = Some(random::mac(&shop.key, &parts).to_vec());
    }
    Ok(Some(trial))
}

/// What a reader is offered of a period.
pub(super) async fn offer(
    shop: &Shop,
    period: &OpenPeriod,
    user: &UserId,
) -> Result<Offer, Refused> {
    let (store, settings) = (shop.service.store(), &shop.settings);
    if settings.trial_sets == 0 {
        return Ok(Offer::Nothing);
    }
    let trial = trial_of(shop, user).await?;
    let address = trial.as_ref().and_then(|trial| trial.address.as_deref());
    let own = store.free_sets_of(period.name(), user, address).await?;
    let all = store.period(period.name()).await?.map_or(0, |row| row.sets_free);
    let bought = shop.sets_of(period, user).await?;
    let left = [
        settings.trial_sets.saturating_sub(own),
        settings.trial_sets_total.saturating_sub(all),
        settings.sets_per_period.saturating_sub(bought),
        reader::sets_left(shop, period).await?,
        shop.sets_max.into(),
    ];
    let left = left.into_iter().min().unwrap_or_default();
    Ok(match (left, trial) {
        (0, _) => Offer::Nothing,
        (left, None) => Offer::Confirm(left),
        (left, Some(_)) => Offer::Sets(left),
    })
}

/// Adds what a reader is offered to the page on which coins are bought, above what is bought.
pub(super) async fn add_to(
    shop: &Shop,
    visitor: &Visitor,
    page: Page,
    (period, user): (&OpenPeriod, &UserId),
) -> Result<Page, Refused> {
    let words = visitor.words;
    let sets = match offer(shop, period, user).await? {
        Offer::Nothing => return Ok(page),
        Offer::Confirm(left) => {
            let text = words.with("free-confirm", &[("count", &left.to_string())]);
            let link = ("/account".to_string(), words.get("menu-account"));
            let page = page.heading(words.get("free-title")).text(text);
            return Ok(page.with(Part::Links(vec![link])).heading(words.get("buy-button")));
        }
        Offer::Sets(left) => left.to_string(),
    };
    let count = [("count", sets.as_str())];
    let form = Form::new("/buy/free", words.with("free-button", &count))
        .hidden("sets", sets.clone())
        .hidden("period", period.name().to_string())
        .hidden("transaction", random::number()?.to_string());
    let page = page.heading(words.get("free-title")).text(words.with("free-text", &count));
    Ok(page.with(form.into()).heading(words.get("buy-button")))
}

/// Gives free sets away. The number in the form identifies the order.
pub(super) async fn take(State(shop): State<Arc<Shop>>, posted: Posted) -> Answer {
    if let Some(receipt) = reader::receipt_of(&shop, &posted).await? {
        return Ok(receipt);
    }
    if shop.settings.trial_sets == 0 {
        return Err(refuse("free-ended"));
    }
    let trial = trial_of(&shop, &posted.person.user).await?;
    let trial = trial.ok_or_else(|| refuse("free-unconfirmed"))?;
    reader::order(&shop, &posted, Some(trial)).await
}
