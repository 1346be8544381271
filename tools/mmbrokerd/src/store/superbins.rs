//! The state of sold superbins, one bit for each first bin, and the claims that wait.
//!
//! Input: superbins. Output: their rows, locked to the end of the transaction. The invariants: rows
//! are locked in ascending order; a bin that is paid or credited stays so.

use std::collections::BTreeMap;

use micromint::bin::Bin;
use micromint::identity::VendorId;
use micromint::period::Period;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::error::{fitting, parsed};
use super::{Dialect, Store, StoreError, Transaction, rows_json};

/// One bit for each sub-bin of a superbin, the first in the highest bit of the first byte. Bytes
/// that are absent are zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bits(pub Vec<u8>);

/// The state of a superbin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SuperbinRow {
    /// Paid to a vendor.
    pub paid: Bits,
    /// Returned by the owner.
    pub returned: Bits,
    /// Credited to the owner.
    pub credited: Bits,
    /// Disputed.
    pub disputed: Bits,
}

/// A claim of rank 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoubtfulRow {
    /// Its first bin.
    pub bin: Bin,
    /// The part that contains the claim.
    pub part: i64,
    /// Its position in the part.
    pub position: u32,
    /// Whose claim it is.
    pub vendor: VendorId,
    /// The code of its verdict.
    pub verdict: u8,
}

impl Bits {
    /// Whether the bit of a sub-bin is set.
    pub fn has(&self, subbin: u32) -> bool {
        let byte = self.0.get((subbin / 8) as usize).copied().unwrap_or(0);
        byte & (0x80 >> (subbin % 8)) != 0
    }

    /// Sets the bit of a sub-bin. Returns whether it was not set.
    pub fn set(&mut self, subbin: u32) -> bool {
        let at = (subbin / 8) as usize;
        if self.0.len() <= at {
            self.0.resize(at + 1, 0);
        }
        let bit = 0x80 >> (subbin % 8);
        let is_new = self.0[at] & bit == 0;
        self.0[at] |= bit;
        is_new
    }

    /// Clears the bit of a sub-bin.
    pub fn clear(&mut self, subbin: u32) {
        if let Some(byte) = self.0.get_mut((subbin / 8) as usize) {
            *byte &= !(0x80 >> (subbin % 8));
        }
    }

    /// How many bits are set.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|byte| u64::from(byte.count_ones())).sum()
    }

    /// The sub-bins whose bits are set, in order.
    pub fn subbins(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.0.len() as u32 * 8).filter(|subbin| self.has(*subbin))
    }

    fn hex(&self, text: &mut String) {
        for byte in &self.0 {
            for digit in [byte >> 4, byte & 15] {
                // A digit is below 16.
                text.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
            }
        }
    }
}

impl SuperbinRow {
    fn read(row: &AnyRow) -> Result<(u32, SuperbinRow), StoreError> {
        let superbin = fitting("superbin", row.try_get("superbin")?)?;
        Ok((
            superbin,
            SuperbinRow {
                paid: Bits(row.try_get("paid")?),
                returned: Bits(row.try_get("returned")?),
                credited: Bits(row.try_get("credited")?),
                disputed: Bits(row.try_get("disputed")?),
            },
        ))
    }

    /// Whether a claim on this sub-bin was paid or credited.
    pub fn is_paid(&self, subbin: u32) -> bool {
        self.paid.has(subbin) || self.credited.has(subbin)
    }
}

impl DoubtfulRow {
    fn read(row: &AnyRow) -> Result<DoubtfulRow, StoreError> {
        let vendor: String = row.try_get(4)?;
        Ok(DoubtfulRow {
            bin: Bin {
                superbin: fitting("doubtful.superbin", row.try_get(0)?)?,
                subbin: fitting("doubtful.subbin", row.try_get(1)?)?,
            },
            part: row.try_get(2)?,
            position: fitting("doubtful.position", row.try_get(3)?)?,
            vendor: parsed("doubtful.vendor", "a Vendor-ID", &vendor)?,
            verdict: fitting("doubtful.verdict", row.try_get(5)?)?,
        })
    }
}

/// `[[8,"80","","",""]]`.
fn superbins_json<'a>(rows: impl Iterator<Item = (u32, &'a SuperbinRow)>) -> String {
    let mut text = String::from("[");
    for (superbin, row) in rows {
        text.push_str(if text.len() > 1 { ",[" } else { "[" });
        text.push_str(&superbin.to_string());
        for bits in [&row.paid, &row.returned, &row.credited, &row.disputed] {
            text.push_str(",\"");
            bits.hex(&mut text);
            text.push('"');
        }
        text.push(']');
    }
    text.push(']');
    text
}

impl Store {
    /// The rows of superbins from `from` to below `to`.
    ///
    /// # Errors
    /// The database failed.
    pub async fn superbins(
        &self,
        period: &Period,
        from: u64,
        to: u64,
    ) -> Result<BTreeMap<u32, SuperbinRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT superbin, paid, returned, credited, disputed FROM superbin \
             WHERE period = $1 AND superbin >= $2 AND superbin < $3",
        )
        .bind(period.to_string())
        .bind(from as i64)
        .bind(to as i64)
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(SuperbinRow::read).collect()
    }

    /// The rows of these superbins. Those without claims are absent.
    ///
    /// # Errors
    /// The database failed.
    pub async fn superbins_of(
        &self,
        period: &Period,
        superbins: &[u32],
    ) -> Result<BTreeMap<u32, SuperbinRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT superbin, paid, returned, credited, disputed FROM superbin \
             WHERE period = $1 AND superbin IN \
             (SELECT CAST(value ->> 0 AS BIGINT) FROM json_each($2))",
        )
        .bind(period.to_string())
        .bind(rows_json(superbins.iter().map(|superbin| [i64::from(*superbin)])))
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(SuperbinRow::read).collect()
    }

    /// The claims of a period that are disputed, by bin and in order of time.
    ///
    /// # Errors
    /// The database failed.
    pub async fn disputed(&self, period: &Period) -> Result<Vec<DoubtfulRow>, StoreError> {
        let rows = sqlx::query(
            // The number of the verdict stands here, so that its index is used.
            "SELECT superbin, subbin, part, position, vendor, verdict FROM doubtful \
             WHERE period = $1 AND verdict = 31 ORDER BY superbin, subbin, part, position",
        )
        .bind(period.to_string())
        .fetch_all(self.pool())
        .await?;
        rows.iter().map(DoubtfulRow::read).collect()
    }

    /// The verdicts on the claims of rank 2 in a part, by position.
    ///
    /// # Errors
    /// The database failed.
    pub async fn doubtful_verdicts(&self, part: i64) -> Result<BTreeMap<u32, u8>, StoreError> {
        let rows = sqlx::query("SELECT position, verdict FROM doubtful WHERE part = $1")
            .bind(part)
            .fetch_all(self.pool())
            .await?;
        rows.iter()
            .map(|row| {
                let position = fitting("doubtful.position", row.try_get(0)?)?;
                Ok((position, fitting("doubtful.verdict", row.try_get(1)?)?))
            })
            .collect()
    }
}

impl Transaction {
    /// The rows of these superbins, which are in ascending order, locked. Those that do not exist
    /// are absent.
    ///
    /// # Errors
    /// The database failed.
    pub async fn lock_superbins(
        &mut self,
        period: &Period,
        superbins: &[u32],
    ) -> Result<BTreeMap<u32, SuperbinRow>, StoreError> {
        let list = rows_json(superbins.iter().map(|superbin| [i64::from(*superbin)]));
        if self.dialect == Dialect::Postgres {
            // A row that does not exist cannot be locked.
            sqlx::query(
                "INSERT INTO superbin (period, superbin, paid, returned, credited, disputed) \
                 SELECT $1, CAST(value ->> 0 AS BIGINT), '', '', '', '' FROM json_each($2) \
                 WHERE true ORDER BY key ON CONFLICT (period, superbin) DO NOTHING",
            )
            .bind(period.to_string())
            .bind(list.clone())
            .execute(self.connection())
            .await?;
        }
        let select = self.locking(
            "SELECT superbin, paid, returned, credited, disputed FROM superbin \
             WHERE period = $1 AND superbin IN \
             (SELECT CAST(value ->> 0 AS BIGINT) FROM json_each($2)) ORDER BY superbin",
        );
        let rows = sqlx::query(select)
            .bind(period.to_string())
            .bind(list)
            .fetch_all(self.connection())
            .await?;
        rows.iter().map(SuperbinRow::read).collect()
    }

    /// Writes rows that this transaction has locked.
    ///
    /// # Errors
    /// The database failed.
    pub async fn write_superbins<'a>(
        &mut self,
        period: &Period,
        rows: impl Iterator<Item = (u32, &'a SuperbinRow)>,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO superbin (period, superbin, paid, returned, credited, disputed) \
             SELECT $1, CAST(value ->> 0 AS BIGINT), unhex(value ->> 1), unhex(value ->> 2), \
             unhex(value ->> 3), unhex(value ->> 4) FROM json_each($2) WHERE true \
             ON CONFLICT (period, superbin) DO UPDATE SET paid = excluded.paid, \
             returned = excluded.returned, credited = excluded.credited, \
             disputed = excluded.disputed",
        )
        .bind(period.to_string())
        .bind(superbins_json(rows))
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Adds claims of rank 2 of one vendor.
    ///
    /// # Errors
    /// The database failed.
    pub async fn add_doubtful(
        &mut self,
        period: &Period,
        vendor: &VendorId,
        part: i64,
        claims: &[(u32, Bin, u8)],
    ) -> Result<(), StoreError> {
        let rows = claims.iter().map(|(position, bin, verdict)| {
            [bin.superbin, bin.subbin, *position, u32::from(*verdict)].map(i64::from)
        });
        sqlx::query(
            "INSERT INTO doubtful (period, vendor, part, superbin, subbin, position, verdict) \
             SELECT $1, $2, $3, CAST(value ->> 0 AS BIGINT), CAST(value ->> 1 AS BIGINT), \
             CAST(value ->> 2 AS BIGINT), CAST(value ->> 3 AS BIGINT) FROM json_each($4)",
        )
        .bind(period.to_string())
        .bind(vendor.to_string())
        .bind(part)
        .bind(rows_json(rows))
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// The claims of rank 2 on superbins from `from` to below `to`, by bin and in order of time.
    ///
    /// # Errors
    /// The database failed.
    pub async fn doubtful(
        &mut self,
        period: &Period,
        from: u64,
        to: u64,
    ) -> Result<Vec<DoubtfulRow>, StoreError> {
        let rows = sqlx::query(
            "SELECT superbin, subbin, part, position, vendor, verdict FROM doubtful \
             WHERE period = $1 AND superbin >= $2 AND superbin < $3 \
             ORDER BY superbin, subbin, part, position",
        )
        .bind(period.to_string())
        .bind(from as i64)
        .bind(to as i64)
        .fetch_all(self.connection())
        .await?;
        rows.iter().map(DoubtfulRow::read).collect()
    }

    /// Sets the verdict on a claim of rank 2.
    ///
    /// # Errors
    /// The database failed.
    pub async fn set_doubtful(
        &mut self,
        period: &Period,
        claim: &DoubtfulRow,
        verdict: u8,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE doubtful SET verdict = $6 WHERE period = $1 AND superbin = $2 \
             AND subbin = $3 AND part = $4 AND position = $5",
        )
        .bind(period.to_string())
        .bind(i64::from(claim.bin.superbin))
        .bind(i64::from(claim.bin.subbin))
        .bind(claim.part)
        .bind(i64::from(claim.position))
        .bind(i64::from(verdict))
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use micromint::protocol::Verdict;

    use super::*;

    #[test]
    fn the_number_of_disputed_is_that_of_the_index() {
        assert_eq!(Verdict::Disputed.code(), 31);
    }

    #[test]
    fn bits_are_set_and_counted() {
        let mut bits = Bits::default();
        assert!(!bits.has(9));
        assert!(bits.set(9));
        assert!(!bits.set(9));
        assert!(bits.set(0));
        assert_eq!((bits.0.as_slice(), bits.count()), ([0x80, 0x40].as_slice(), 2));
        assert_eq!(bits.subbins().collect::<Vec<_>>(), [0, 9]);
        bits.clear(9);
        bits.clear(4000);
        assert_eq!(bits.0, [0x80, 0]);
        let row = SuperbinRow { paid: bits, ..SuperbinRow::default() };
        let text = superbins_json([(8, &row), (10, &SuperbinRow::default())].into_iter());
        assert_eq!(text, r#"[[8,"8000","","",""],[10,"","","",""]]"#);
    }
}
