//! The periods: which is next, sold, redeemed and over, and how far the mint of the next one is.
//!
//! Input: the session of an operator. Output: a page, and orders to the minter
//! ([`crate::minting`]). The invariants: a mint is planned in one transaction with its row of the
//! audit log; nothing about a period that has not begun is told to others than operators.

use std::sync::Arc;

use axum::extract::{Query, State};
use micromint::period::Period;
use micromint::time::UnixTime;

use super::Shop;
use super::answer::{Answer, Refused, refuse, show, to};
use super::audit::Act;
use super::form::Posted;
use super::login::Note;
use super::people::Role;
use super::view::{Cell, Form, Page, Part, Progress, Table};
use super::visitor::{LoggedIn, Visitor};
use crate::minting::{next_period, plan};
use crate::service::OpenPeriod;
use crate::store::{AccountKind, MintRow, MintStage, MintState, PeriodRow, retried};

/// The state of a period, as the name of a message.
pub(super) async fn state(
    shop: &Shop,
    period: &OpenPeriod,
    row: &PeriodRow,
) -> Result<&'static str, Refused> {
    let (raw, now) = (period.params().raw(), shop.service.now());
    if row.settled_at.is_some() {
        let owner = period.name().as_str();
        let disputed = shop.service.store().balances(AccountKind::Disputed, owner).await?;
        let is_disputed = disputed.iter().any(|money| money.units() > 0);
        return Ok(if is_disputed { "period-disputed" } else { "period-archived" });
    }
    Ok(match () {
        _ if now < raw.start => "period-next",
        _ if now < raw.expiration => "period-on-sale",
        _ if now < raw.redeem_until => "period-redemption",
        _ => "period-settling",
    })
}

/// The page.
pub(super) async fn page(
    State(shop): State<Arc<Shop>>,
    LoggedIn { visitor, person, .. }: LoggedIn,
    Query(note): Query<Note>,
) -> Answer {
    person.needs(Role::Support)?;
    let words = visitor.words;
    let page = note
        .on(&visitor, Page::new(words.get("periods-title")))
        .with(Part::Table(table(&shop, &visitor).await?));
    let mut page = page.heading(words.get("mint-title"));
    let mints = shop.service.store().mints().await?;
    // Nothing begins or stops a mint in a CGI program, so no button says so.
    let may_change = person.role >= Role::Admin && !shop.settings.is_cgi;
    for mint in mints.iter().filter(|mint| mint.state != MintState::Done) {
        page = one_mint(&visitor, page, mint, may_change);
    }
    let next = next_period(&shop.service);
    let of_next = |mint: &&MintRow| next.as_ref().is_some_and(|(name, _)| mint.period == *name);
    let asked = mints.iter().find(of_next).map(|mint| mint.state);
    page = page.text(match (&next, &shop.settings.minting) {
        (None, _) => words.get("mint-no-next"),
        (Some((period, _)), _) if shop.settings.is_cgi => {
            words.with("mint-cgi", &[("period", period.as_str()), ("url", &shop.url)])
        }
        (Some((period, _)), _) if asked.is_some() => {
            let name = match asked {
                Some(MintState::Planned) => "mint-asked",
                Some(MintState::Done) => "mint-opens",
                Some(MintState::Stopped) => "mint-waits",
                _ => "mint-under-way",
            };
            words.with(name, &[("period", period.as_str())])
        }
        (Some((period, at)), Some(settings)) => {
            let at = at.plus_seconds(-i64::from(settings.days_before) * 86_400);
            let at = visitor.time(at);
            words.with("mint-automatic", &[("period", period.as_str()), ("time", &at)])
        }
        (Some((period, _)), None) => words.with("mint-by-hand", &[("period", period.as_str())]),
    });
    if let Some((period, _)) = next.filter(|_| may_change)
        && mints.iter().all(|mint| mint.period != period)
    {
        let button = words.with("mint-button", &[("period", period.as_str())]);
        let form = Form::new("/operator/periods/mint", button).hidden("period", period.to_string());
        page = page.with(form.into());
    }
    show(&shop, &visitor, &page)
}

/// How many sets of a period are sold, of how many, and how many a restore skipped.
pub(super) fn stock(visitor: &Visitor, period: &OpenPeriod, row: &PeriodRow) -> String {
    let stock = format!("{} / {}", row.sets_sold, period.params().superbin_count() / 2);
    match (row.next_superbin / 2).saturating_sub(row.sets_sold) {
        0 => stock,
        skipped => {
            let words = [("count", &skipped.to_string()[..])];
            format!("{stock}, {}", visitor.words.with("sets-skipped", &words))
        }
    }
}

async fn table(shop: &Shop, visitor: &Visitor) -> Result<Table, Refused> {
    let words = visitor.words;
    let mut rows = Vec::new();
    for period in shop.service.periods().iter().rev() {
        let Some(row) = shop.service.store().period(period.name()).await? else { continue };
        let raw = period.params().raw();
        let value = raw.coin_value;
        // Months begin and end with a day.
        let at = |time: UnixTime| match time.0 % 86_400 {
            0 => Cell::Text(time.day()),
            _ => Cell::Text(visitor.time(time)),
        };
        rows.push(vec![
            Cell::text(period.name()),
            Cell::Text(words.get(state(shop, period, &row).await?)),
            Cell::Number(visitor.money(value.units(), value.currency())),
            Cell::Number(stock(visitor, period, &row)),
            at(raw.start),
            at(raw.expiration),
            at(raw.redeem_until),
        ]);
    }
    let head = [
        "period-label",
        "column-state",
        "coin-value-label",
        "column-sold",
        "column-start",
        "expires-label",
        "column-redeem-until",
    ];
    Ok(Table {
        caption: words.get("periods-title"),
        head: head.map(|name| words.get(name)).to_vec(),
        rows,
        empty: words.get("nothing-on-sale"),
    })
}

/// How far a mint is, and what an operator may do about it.
fn one_mint(visitor: &Visitor, mut page: Page, mint: &MintRow, may_change: bool) -> Page {
    let words = visitor.words;
    let state = match mint.state {
        MintState::Planned => "mint-planned",
        MintState::Running => "mint-running",
        MintState::Cluster => "mint-cluster",
        MintState::Stopped => "mint-stopped",
        MintState::Done => "mint-done",
    };
    let stage = match mint.progress.stage {
        MintStage::None => "stage-none",
        MintStage::Tossing => "stage-tossing",
        MintStage::Counting => "stage-counting",
        MintStage::Shards => "stage-shards",
        MintStage::Complete => "mint-done",
    };
    let mut facts = vec![
        (words.get("period-label"), mint.period.to_string()),
        (words.get("column-state"), words.get(state)),
        (words.get("column-since"), visitor.time(mint.at)),
        (words.get("column-by"), mint.by.clone()),
    ];
    if let Some(at) = mint.expected() {
        facts.push((words.get("mint-expected"), visitor.time(at)));
    }
    page = page.with(Part::Facts(facts)).with(Part::Progress(Progress {
        label: words.get(stage),
        done: mint.progress.done,
        total: mint.progress.total.max(1),
        percent: percent(mint.progress.done, mint.progress.total),
    }));
    if !mint.fault.is_empty() {
        page = page.with(Part::Bad(words.with("mint-fault", &[("why", &mint.fault)])));
    }
    let name = mint.period.to_string();
    if mint.state == MintState::Cluster {
        let command = format!(
            "sbatch --dependency=afterok:$(sbatch --parsable {name}.shards.sbatch) \\\n    \
             {name}.merge.sbatch"
        );
        page = page.text(words.get("mint-submit")).with(Part::Code(command));
    }
    if !may_change {
        return page;
    }
    let form = match mint.state {
        MintState::Stopped => Form::new("/operator/periods/mint", words.get("mint-go-on")),
        _ => Form::new("/operator/periods/stop", words.get("mint-stop")).danger(),
    };
    page.with(form.hidden("period", name).into())
}

/// A percentage with two decimals, rounded down.
fn percent(done: u64, total: u64) -> String {
    let parts = u128::from(done) * 10_000 / u128::from(total.max(1));
    format!("{}.{:02} %", parts / 100, parts % 100)
}

/// The period that a form names, if it may be minted: the next one, or one that was stopped.
async fn named(shop: &Shop, posted: &Posted) -> Result<Period, Refused> {
    let period: Period = posted.fields.text("period").parse().map_err(|_| refuse("error-form"))?;
    let is_next = next_period(&shop.service).is_some_and(|(next, _)| next == period);
    let mints = shop.service.store().mints().await?;
    let is_known = mints.iter().any(|mint| mint.period == period);
    if is_next || is_known { Ok(period) } else { Err(refuse("error-form")) }
}

/// Plans a mint, or continues one that was stopped.
pub(super) async fn mint(State(shop): State<Arc<Shop>>, posted: Posted) -> Answer {
    posted.person.needs(Role::Admin)?;
    if shop.settings.is_cgi {
        return Err(refuse("error-mint-cgi"));
    }
    let period = named(&shop, &posted).await?;
    let (store, now) = (shop.service.store(), shop.service.now());
    plan(store, &period, posted.person.user.as_str(), now).await?;
    Ok(to(&shop, "/operator/periods?note=done-mint"))
}

/// Stops a mint. What was tossed is kept.
pub(super) async fn stop(State(shop): State<Arc<Shop>>, posted: Posted) -> Answer {
    posted.person.needs(Role::Admin)?;
    let period = named(&shop, &posted).await?;
    let (store, now, by) = (shop.service.store(), shop.service.now(), &posted.person.user);
    retried!(async {
        let mut tx = store.begin().await?;
        if tx.stop_mint(&period).await? {
            tx.audit(by.as_str(), Act::MintStopped, period.as_str(), now).await?;
        }
        tx.commit().await
    })?;
    Ok(to(&shop, "/operator/periods?note=done-mint"))
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn percentages_are_rounded_down() {
        assert_eq!(percent(0, 0), "0.00 %");
        assert_eq!(percent(2, 3), "66.66 %");
        assert_eq!(percent((1 << 60) - 1, 1 << 60), "99.99 %");
        assert_eq!(percent(7, 7), "100.00 %");
    }
}
