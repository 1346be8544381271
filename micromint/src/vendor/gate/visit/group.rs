//! Several requests that an event loop has read at the same time, decided together.
//!
//! Input: requests that bring payments. Output: each is decided, as it would be alone, or is left
//! to a thread that may block. The invariant: what is recorded together is answered one by one, and
//! a request that cannot be decided affects no other.

use std::cell::RefMut;

use super::{Asked, Deferred, Stage, Visit, look};
use crate::vendor::gate::Passed;
use crate::vendor::look::Pending;
use crate::vendor::request::Request;
use crate::vendor::serving::Vendor;

/// One of several requests that [`ask_all`] asks about.
pub struct Asking<'a> {
    /// What is remembered of it: [`Visit::may_join`] said yes.
    pub visit: RefMut<'a, Visit>,
    /// The request, with its body if that was read.
    pub request: Request<'a>,
}

impl Visit {
    /// Whether the request brings a payment that is worth deciding together with those of other
    /// requests, by [`ask_all`]. Until then it waits, as [`Visit::works`] notes. `request` has the
    /// body if it was read.
    pub fn may_join(&self, vendor: &Vendor, request: &Request<'_>) -> bool {
        let Some(owed) = &self.owed else { return false };
        let request = Request { price: owed.price, place: owed.place(), ..*request };
        // Whoever was served before has a charge to be reversed first.
        self.original.is_none()
            && matches!(self.stage, Stage::Fresh | Stage::Read)
            && vendor.may_group(&request)
    }
}

/// Asks the vendor about several requests at once, on an event thread: their payments are recorded
/// together. Returns for each, in their order, a question for a thread that may block. `None`: the
/// request goes on, as [`Visit::next`] says; it is decided, or is asked about again, alone.
pub fn ask_all(vendor: &Vendor, mut all: Vec<Asking<'_>>) -> Vec<Option<Box<Deferred>>> {
    let owed: Vec<Passed> =
        all.iter_mut().map(|one| one.visit.owed.take().unwrap_or_default()).collect();
    let requests: Vec<Request<'_>> = all
        .iter()
        .zip(&owed)
        .map(|(one, owed)| Request { price: owed.price, place: owed.place(), ..one.request })
        .collect();
    let (mut which, mut pending) = (Vec::with_capacity(all.len()), Vec::with_capacity(all.len()));
    for (at, request) in requests.iter().enumerate() {
        if let Some(work) = look(vendor, request, request.body.is_some()).pending() {
            which.push(at);
            pending.push(work);
        }
    }
    let mut asked: Vec<Option<Asked>> = requests.iter().map(|_| None).collect();
    for (at, decided) in which.into_iter().zip(Pending::try_all(pending)) {
        let visit = &mut all[at].visit;
        visit.price = requests[at].price;
        asked[at] = Some(visit.take(&requests[at], decided));
    }
    drop(requests);
    let done = all.into_iter().zip(owed).zip(asked).map(|((mut one, owed), asked)| {
        one.visit.owed = Some(owed);
        match asked {
            Some(Asked::Pending(question)) => return Some(question),
            Some(Asked::Decided) => {}
            _ if one.request.body.is_some() => one.visit.stage = Stage::Read,
            _ => one.visit.stage = Stage::Fresh,
        }
        None
    });
    done.collect()
}
