//! The payments of one wake-up of a worker, which are decided together.
//!
//! nginx wakes up, handles every connection that has something to say, and then runs the events
//! that were posted meanwhile. The first payment of a wake-up is decided at once: it may be the
//! only one. It opens a group, which later payments join; a posted event decides about them.
//!
//! Input: requests that join. Output: one call for all of them. The invariant: no request waits
//! longer than the wake-up in which it joined. nginx runs posted events before it waits for others,
//! and before it looks whether it is to reload or to end.

use std::cell::{Cell, RefCell, UnsafeCell};
use std::mem::zeroed;
use std::rc::Rc;

use nginx_sys::{ngx_event_t, ngx_posted_events, ngx_queue_t};

use super::threads::{has_ended, keep, resume};
use super::{Request, guard};
use crate::handlers;
use crate::visit::Visit;

thread_local! {
    /// A worker has one event thread, so one group.
    static GROUP: Group = const {
        Group {
            // SAFETY: the event is plain C data, which nginx's own allocation zeroes too.
            event: UnsafeCell::new(unsafe { zeroed() }),
            is_open: Cell::new(false),
            members: RefCell::new(Vec::new()),
        }
    };
}

struct Group {
    event: UnsafeCell<ngx_event_t>,
    is_open: Cell<bool>,
    members: RefCell<Vec<Member>>,
}

/// A request that waits for the others.
pub(crate) struct Member {
    /// The request.
    pub(crate) request: Request,
    /// What is stored about it.
    pub(crate) visit: Rc<Visit>,
    /// Its body, if that was read.
    pub(crate) body: Option<Vec<u8>>,
}

/// Whether a payment was recorded in this wake-up, so that others join.
pub(crate) fn is_open() -> bool {
    GROUP.with(|group| group.is_open.get())
}

/// Lets later payments of this wake-up join.
pub(crate) fn open() {
    GROUP.with(|group| {
        if group.is_open.replace(true) {
            return;
        }
        let event = group.event.get();
        // SAFETY: the event lives as long as the thread and is not posted: its handler closes the
        // group. The queue is nginx's ring of posted events, whose head is always part of it. This
        // is what the macro `ngx_post_event` does.
        unsafe {
            (*event).handler = Some(close);
            (*event).log = (*nginx_sys::ngx_cycle).log;
            (*event).set_posted(1);
            let (head, new): (*mut ngx_queue_t, _) =
                (&raw mut ngx_posted_events, &raw mut (*event).queue);
            (*new).prev = (*head).prev;
            (*(*new).prev).next = new;
            (*new).next = head;
            (*head).prev = new;
        }
    });
}

/// The request waits for the others of this wake-up; then its phases continue. The group must be
/// open. The caller returns `AGAIN` to nginx.
pub(crate) fn join(request: &mut Request, visit: Rc<Visit>, body: Option<Vec<u8>>) {
    // SAFETY: the request is live. It is kept until `close` resumes it, once.
    let request = unsafe {
        keep(request.as_ptr());
        Request::new(request.as_ptr())
    };
    GROUP.with(|group| group.members.borrow_mut().push(Member { request, visit, body }));
}

/// nginx has handled everything that the wake-up brought.
unsafe extern "C" fn close(event: *mut ngx_event_t) {
    let members = GROUP.with(|group| {
        group.is_open.set(false);
        group.members.take()
    });
    let requests: Vec<_> = members.iter().map(|member| member.request.as_ptr()).collect();
    // SAFETY: `keep` has kept the requests and their connections alive until now. A request that
    // has ended meanwhile pays nothing. Only `resume` runs code of nginx that may end others.
    unsafe {
        let is_live = |member: &Member| !has_ended(member.request.as_ptr());
        let mut live: Vec<Member> = members.into_iter().filter(is_live).collect();
        let is_done = guard((*event).log, false, || {
            handlers::decide_all(&mut live);
            true
        });
        if !is_done {
            guard((*event).log, (), || handlers::give_up(&live));
        }
        drop(live);
        requests.into_iter().for_each(|r| resume(r, || ()));
    }
}
