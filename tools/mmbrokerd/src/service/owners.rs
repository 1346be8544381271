//! The tags of sold sets that a vendor's owners file does not have yet.
//!
//! Input: a Request-Owners. Output: an Owners-Sold. The invariant: the tags end at one state of the
//! database, so there are no holes, whatever the number of processes.

use std::collections::HashMap;
use std::sync::Arc;

use micromint::authenticator::Key;
use micromint::identity::{UserId, VendorId};
use micromint::owner::{OwnerTag, Owners, owner_tag};
use micromint::period::Period;
use micromint::protocol::{OWNERS_PER_ANSWER_MAX, OwnersSold, RequestOwners, Unsigned};
use micromint::reply::Reply;

use super::period::OpenPeriod;
use super::{Service, ServiceError, blocking};

/// Why a vendor gets no tags.
#[derive(Debug, thiserror::Error)]
pub enum OwnersRefusal {
    /// There is no such period.
    #[error("there is no period {0}")]
    NoPeriod(String),
    /// The vendor is not registered.
    #[error("{0} is not registered for this period")]
    UnknownVendor(VendorId),
    /// The authenticator is not that of the vendor.
    #[error("the authenticator is not that of {0} over this message")]
    WrongAuthenticator(VendorId),
    /// The vendor holds more than was sold: the broker was restored from a backup.
    #[error("the vendor holds generation {generation} with {held} tags, the broker has less")]
    Ahead {
        /// The generation of the vendor's file.
        generation: u32,
        /// The number of its tags.
        held: u32,
    },
}

impl Service {
    /// The tags that follow those that a vendor holds, and the witness for this vendor. `witness`
    /// is the one that it got before.
    ///
    /// # Errors
    /// The database failed.
    pub async fn owners(
        &self,
        request: RequestOwners,
        witness: Option<&str>,
    ) -> Result<Reply<(OwnersSold, Option<String>), OwnersRefusal>, ServiceError> {
        let vendor = request.vendor.clone();
        let Some(period) = self.period(&request.period) else {
            return Ok(Reply::Refused(OwnersRefusal::NoPeriod(request.period.to_string())));
        };
        let is_authentic = |key: &Key| request.is_authentic(&key.sync_key());
        let Some(key) = self.key_of_message(&vendor, is_authentic).await? else {
            return Ok(Reply::Refused(OwnersRefusal::WrongAuthenticator(vendor)));
        };
        let key = key.key.sync_key();
        if !self.store.is_vendor(period.name(), &vendor).await? {
            return Ok(Reply::Refused(OwnersRefusal::UnknownVendor(vendor)));
        }
        if let Some(witness) = witness {
            self.compare(period.name(), witness).await?;
        }
        let witness = self.period_witness(period.name()).await?;
        period.catch_up(&self.store).await?;
        let sold = period.index().end() / 2;
        let generation = self.generation();
        let is_current = request.generation == generation;
        let is_ahead =
            request.generation > generation || is_current && u64::from(request.held) > sold;
        if is_ahead {
            let (generation, held) = (request.generation, request.held);
            return Ok(Reply::Refused(OwnersRefusal::Ahead { generation, held }));
        }
        let from = if is_current { request.held } else { 0 };
        let tags = self.tags(&period, &vendor, from).await?;
        let RequestOwners { period, nonce, .. } = request;
        let authenticator = Unsigned;
        let answer = OwnersSold { vendor, period, generation, from, nonce, authenticator, tags };
        Ok(Reply::Granted((answer.authenticated(&key), witness)))
    }

    /// The owners of all sets sold so far, as `vendor` can check them. The vendor need not be
    /// registered.
    ///
    /// # Errors
    /// The database failed.
    pub async fn all_owners(
        &self,
        period: &Arc<OpenPeriod>,
        vendor: &VendorId,
    ) -> Result<Owners, ServiceError> {
        period.catch_up(&self.store).await?;
        let mut owners = Owners::new(vendor, period.name(), self.generation());
        loop {
            let tags = self.tags(period, vendor, owners.count()).await?;
            if tags.is_empty() {
                return Ok(owners);
            }
            owners.extend(&tags);
        }
    }

    async fn tags(
        &self,
        period: &Arc<OpenPeriod>,
        vendor: &VendorId,
        from: u32,
    ) -> Result<Vec<OwnerTag>, ServiceError> {
        let (open, vendor, secret) = (Arc::clone(period), vendor.clone(), self.secret.clone());
        blocking(move || {
            let index = open.index();
            let mut keys: HashMap<&UserId, Key> = HashMap::new();
            let sets = index.sets_from(from).take(OWNERS_PER_ANSWER_MAX as usize);
            let tag = |(first, user): (u32, Option<_>)| {
                // A set that was skipped belongs to nobody, and its tag is random.
                let Some(user) = user else { return nobodys_tag(&secret, open.name(), first) };
                let key = keys.entry(user).or_insert_with(|| secret.user_key(open.name(), user));
                owner_tag(open.name(), first, user, &key.owner_token(&vendor, first))
            };
            sets.map(tag).collect()
        })
        .await
    }
}

/// A tag that no token has.
fn nobodys_tag(secret: &Key, period: &Period, first: u32) -> OwnerTag {
    let random = secret.witness(&format!("nobody {period} {first}"));
    let mut tag = OwnerTag::default();
    let size = tag.len();
    tag.copy_from_slice(&random.as_bytes()[..size]);
    tag
}
