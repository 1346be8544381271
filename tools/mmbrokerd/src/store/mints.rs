//! Mints: which next period is planned, who wanted it, and how far it is.
//!
//! Input: what the minter and operators do. Output: rows. The invariant: a period is planned once.

use micromint::period::Period;
use micromint::time::UnixTime;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::error::{fitting, parsed};
use super::{Store, StoreError, Transaction, retried};

/// What is done about a mint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MintState {
    /// It begins with the next turn.
    Planned,
    /// `coinmint` works on it as a child of the service.
    Running,
    /// A cluster works on it, by a job file.
    Cluster,
    /// An operator stopped it.
    Stopped,
    /// Its coin file is complete.
    Done,
}

/// A mint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MintRow {
    /// The period.
    pub period: Period,
    /// When it was planned.
    pub at: UnixTime,
    /// Who planned it; `service` for the broker itself.
    pub by: String,
    /// What is done about it.
    pub state: MintState,
    /// How far it is.
    pub progress: MintProgress,
    /// When this stage was first seen, and how much of it was done then.
    pub since: (UnixTime, u64),
    /// When the progress was last seen.
    pub seen_at: UnixTime,
    /// Why the last try failed; empty if it did not.
    pub fault: String,
}

/// How far a mint is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MintProgress {
    /// Its stage.
    pub stage: MintStage,
    /// What is done of the stage.
    pub done: u64,
    /// All of the stage.
    pub total: u64,
}

/// The stage of a mint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MintStage {
    /// There is no coin file.
    #[default]
    None,
    /// Balls are tossed.
    Tossing,
    /// Balls are counted.
    Counting,
    /// Shards are tossed by a cluster.
    Shards,
    /// The coin file is complete.
    Complete,
}

impl MintState {
    const ALL: [MintState; 5] = [
        MintState::Planned,
        MintState::Running,
        MintState::Cluster,
        MintState::Stopped,
        MintState::Done,
    ];

    fn word(self) -> &'static str {
        match self {
            MintState::Planned => "planned",
            MintState::Running => "running",
            MintState::Cluster => "cluster",
            MintState::Stopped => "stopped",
            MintState::Done => "done",
        }
    }
}

impl MintStage {
    const ALL: [MintStage; 5] = [
        MintStage::None,
        MintStage::Tossing,
        MintStage::Counting,
        MintStage::Shards,
        MintStage::Complete,
    ];

    fn word(self) -> &'static str {
        match self {
            MintStage::None => "none",
            MintStage::Tossing => "tossing",
            MintStage::Counting => "counting",
            MintStage::Shards => "shards",
            MintStage::Complete => "complete",
        }
    }
}

impl MintRow {
    fn read(row: &AnyRow) -> Result<MintRow, StoreError> {
        let (period, state): (String, String) = (row.try_get(0)?, row.try_get(3)?);
        let stage: String = row.try_get(4)?;
        let wrong = |what, found: &str| StoreError::Value {
            what,
            expected: "a word of the program",
            found: found.to_string(),
        };
        let state = MintState::ALL.into_iter().find(|it| it.word() == state).ok_or(state);
        let stage = MintStage::ALL.into_iter().find(|it| it.word() == stage).ok_or(stage);
        Ok(MintRow {
            period: parsed("mint.period", "a period", &period)?,
            at: UnixTime(row.try_get(1)?),
            by: row.try_get(2)?,
            state: state.map_err(|found| wrong("mint.state", &found))?,
            progress: MintProgress {
                stage: stage.map_err(|found| wrong("mint.stage", &found))?,
                done: fitting("mint.done", row.try_get(5)?)?,
                total: fitting("mint.total", row.try_get(6)?)?,
            },
            since: (UnixTime(row.try_get(7)?), fitting("mint.since_done", row.try_get(8)?)?),
            seen_at: UnixTime(row.try_get(9)?),
            fault: row.try_get(10)?,
        })
    }

    /// The time at which the stage is done if it continues at this rate; `None` if that is not
    /// known, or in more than a century.
    pub fn expected(&self) -> Option<UnixTime> {
        let (began, before) = self.since;
        let MintProgress { done, total, .. } = self.progress;
        let seconds = u128::from(self.seen_at.0.checked_sub(began.0)?.unsigned_abs());
        let fresh = u128::from(done.checked_sub(before)?);
        if fresh == 0 || self.state != MintState::Running {
            return None;
        }
        let left = u128::from(total.saturating_sub(done)) * seconds / fresh;
        let left = i64::try_from(left).ok().filter(|left| *left < CENTURY_SECONDS)?;
        Some(self.seen_at.plus_seconds(left))
    }
}

const CENTURY_SECONDS: i64 = 36_525 * 86_400;

const MINTS: &str = "SELECT period, at, by_whom, state, stage, done, total, since_at, since_done, \
     seen_at, fault FROM mint";

impl Store {
    /// All mints, in the order of their periods.
    ///
    /// # Errors
    /// The database failed.
    pub async fn mints(&self) -> Result<Vec<MintRow>, StoreError> {
        let select = sqlx::AssertSqlSafe(format!("{MINTS} ORDER BY period"));
        let rows = sqlx::query(select).fetch_all(self.pool()).await?;
        rows.iter().map(MintRow::read).collect()
    }

    /// Records how far a mint is, unless it was stopped meanwhile.
    ///
    /// # Errors
    /// The database failed.
    pub async fn note_mint(
        &self,
        period: &Period,
        state: MintState,
        progress: MintProgress,
        now: UnixTime,
    ) -> Result<(), StoreError> {
        retried!(async {
            let mut tx = self.begin().await?;
            sqlx::query(
                "UPDATE mint SET \
                 since_at = CASE WHEN stage = $3 AND done <= $4 THEN since_at ELSE $6 END, \
                 since_done = CASE WHEN stage = $3 AND done <= $4 THEN since_done ELSE $4 END, \
                 state = $2, stage = $3, done = $4, total = $5, seen_at = $6 \
                 WHERE period = $1 AND state <> 'stopped'",
            )
            .bind(period.to_string())
            .bind(state.word())
            .bind(progress.stage.word())
            .bind(progress.done as i64)
            .bind(progress.total as i64)
            .bind(now.0)
            .execute(tx.connection())
            .await?;
            tx.commit().await
        })
    }

    /// Records why a mint failed; an empty text says that it continues.
    ///
    /// # Errors
    /// The database failed.
    pub async fn note_mint_fault(&self, period: &Period, fault: &str) -> Result<(), StoreError> {
        retried!(async {
            let mut tx = self.begin().await?;
            sqlx::query("UPDATE mint SET fault = $2 WHERE period = $1")
                .bind(period.to_string())
                .bind(fault.to_string())
                .execute(tx.connection())
                .await?;
            tx.commit().await
        })
    }
}

impl Transaction {
    /// Plans a mint; one that was stopped continues. Returns whether something changed.
    ///
    /// # Errors
    /// The database failed.
    pub async fn plan_mint(
        &mut self,
        period: &Period,
        by: &str,
        now: UnixTime,
    ) -> Result<bool, StoreError> {
        let changed = sqlx::query(
            "INSERT INTO mint (period, at, by_whom, state, stage, done, total, since_at, \
             since_done, seen_at, fault) VALUES ($1, $2, $3, 'planned', 'none', 0, 0, $2, 0, $2, '') \
             ON CONFLICT (period) DO UPDATE SET state = 'planned', fault = '', \
             since_at = $2, since_done = mint.done WHERE mint.state = 'stopped'",
        )
        .bind(period.to_string())
        .bind(now.0)
        .bind(by.to_string())
        .execute(self.connection())
        .await?;
        Ok(changed.rows_affected() == 1)
    }

    /// Stops a mint that is not done. Returns whether something changed.
    ///
    /// # Errors
    /// The database failed.
    pub async fn stop_mint(&mut self, period: &Period) -> Result<bool, StoreError> {
        let changed = sqlx::query(
            "UPDATE mint SET state = 'stopped' WHERE period = $1 AND state NOT IN ('done', 'stopped')",
        )
        .bind(period.to_string())
        .execute(self.connection())
        .await?;
        Ok(changed.rows_affected() == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_expected_from_the_rate() {
        let mut row = MintRow {
            period: "2027-01".parse().unwrap(),
            at: UnixTime(0),
            by: "service".to_string(),
            state: MintState::Running,
            progress: MintProgress { stage: MintStage::Tossing, done: 30, total: 100 },
            since: (UnixTime(1000), 10),
            seen_at: UnixTime(1020),
            fault: String::new(),
        };
        assert_eq!(row.expected(), Some(UnixTime(1090)));
        row.progress.done = 10;
        assert_eq!(row.expected(), None);
        row.progress.total = u64::MAX >> 1;
        row.progress.done = 11;
        assert_eq!(row.expected(), None, "in more than a century");
        row.progress.total = 1000;
        assert!(row.expected().is_some());
        row.state = MintState::Stopped;
        assert_eq!(row.expected(), None);
    }
}
