//! A copy of a coin file with the status bits of the thesis's figure 3-1, for tools that read them.
//!
//! Input: the coin file and the database. Output: a marked copy. The invariant: the coin file
//! itself is not written.

use std::path::Path;
use std::sync::Arc;

use micromint::bin::Bin;
use micromint::coin_file::{CoinFile, SaleMark, Status};
use micromint::error::FileError;
use micromint::host::DiskDirectory;

use super::period::OpenPeriod;
use super::{Service, ServiceError, blocking};
use crate::store::{SaleRow, SuperbinRow};

/// How many superbins are read at a time.
const SUPERBINS_AT_A_TIME: u64 = 8192;

/// What was marked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marked {
    /// Sets that are sold.
    pub sets: u64,
    /// First balls that a vendor redeemed.
    pub redeemed: u64,
    /// First balls that were returned and not redeemed.
    pub returned: u64,
}

impl Service {
    /// Copies the coin file of a period to `to`, which must not exist, and marks in the copy what
    /// was sold, redeemed, returned and declared compromised.
    ///
    /// # Errors
    /// The database or a file failed. The copy may be there, and is not complete.
    pub async fn mark(&self, period: &Arc<OpenPeriod>, to: &Path) -> Result<Marked, ServiceError> {
        let Some(row) = self.store.period(period.name()).await? else {
            return Err(ServiceError::GivenUp("the period is not in the database"));
        };
        let (from, path) = (row.coin_file.clone(), to.to_path_buf());
        let copy = Arc::new(blocking(move || open_copy(Path::new(&from), &path)).await??);
        let mut marked = Marked::default();
        let mut first = 0;
        while first < row.next_superbin {
            let past = (first + SUPERBINS_AT_A_TIME).min(row.next_superbin);
            let rows = self.store.superbins(period.name(), first, past).await?;
            let sales = self.store.sales_between(period.name(), first, past).await?;
            let copy = Arc::clone(&copy);
            let part = blocking(move || mark_part(&copy, &sales, &rows)).await??;
            marked.sets += part.sets;
            marked.redeemed += part.redeemed;
            marked.returned += part.returned;
            first = past;
        }
        let compromised = self.store.compromised(period.name()).await?;
        let next = row.next_superbin;
        blocking(move || {
            for range in compromised {
                let bins = (range.first..range.first + range.count)
                    .map(|subbin| Bin { superbin: range.superbin, subbin });
                let mut marks = Vec::new();
                for bin in bins {
                    if copy.ball(bin)?.exists() {
                        marks.push((bin, Status::COMPROMISED));
                    }
                }
                copy.mark_balls(&marks)?;
            }
            copy.mark_next_superbin(next)
        })
        .await??;
        Ok(marked)
    }
}

fn open_copy(from: &Path, to: &Path) -> Result<CoinFile, ServiceError> {
    let (directory, name) = DiskDirectory::of_file(to).map_err(FileError::on("open", to))?;
    let open = std::fs::OpenOptions::new().write(true).create_new(true).open(to);
    let mut target = open.map_err(FileError::on("make", to))?;
    let mut source = std::fs::File::open(from).map_err(FileError::on("open", from))?;
    std::io::copy(&mut source, &mut target).map_err(FileError::on("write", to))?;
    Ok(CoinFile::open(&directory, &name)?)
}

fn mark_part(
    copy: &CoinFile,
    sales: &[SaleRow],
    rows: &std::collections::BTreeMap<u32, SuperbinRow>,
) -> Result<Marked, ServiceError> {
    let mut marked = Marked::default();
    for sale in sales {
        let (user, when, transaction) = (sale.user.clone(), sale.at, sale.transaction);
        let mark = SaleMark { user, when, transaction };
        for set in 0..sale.sets {
            copy.mark_set(sale.first + 2 * set, &mark)?;
            marked.sets += 1;
        }
    }
    for (superbin, row) in rows {
        let bin = |subbin| Bin { superbin: *superbin, subbin };
        let mut marks: Vec<(Bin, Status)> =
            row.paid.subbins().map(|subbin| (bin(subbin), Status::REDEEMED)).collect();
        let returned: Vec<u32> =
            row.returned.subbins().filter(|subbin| !row.paid.has(*subbin)).collect();
        marked.redeemed += marks.len() as u64;
        marked.returned += returned.len() as u64;
        marks.extend(returned.into_iter().map(|subbin| (bin(subbin), Status::RETURNED)));
        marks.sort_by_key(|(bin, _)| *bin);
        copy.mark_balls(&marks)?;
    }
    Ok(marked)
}
