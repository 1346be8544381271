//! nginx's thread pool: disk access that must not delay the other requests of a worker.

use std::ffi::c_void;
use std::mem::zeroed;
use std::panic::{AssertUnwindSafe, catch_unwind};

use nginx_sys::{
    NGX_OK, ngx_add_timer, ngx_del_timer, ngx_event_t, ngx_http_core_run_phases,
    ngx_http_log_ctx_t, ngx_http_request_t, ngx_http_run_posted_requests, ngx_log_t, ngx_msec_t,
    ngx_thread_pool_t, ngx_thread_task_post, ngx_thread_task_t,
};

use super::{Level, Log, Request, guard};

/// A worker that is to end stays as long as it has a timer, and knows nothing of tasks in a pool.
/// So each task has a timer, which is set again after this many milliseconds.
const HOLD_MSEC: ngx_msec_t = 60_000;

/// A thread pool of the configuration.
#[derive(Clone, Copy)]
pub(crate) struct ThreadPool(pub(super) *mut ngx_thread_pool_t);

/// What happens on the worker's own thread when a task has run.
enum Finish {
    /// The waiting request gets its result.
    Request(Box<dyn FnOnce(&mut Request) + Send>),
    /// Nothing waits; a line for the error log.
    Note(Option<String>),
}

/// One task: what runs in the pool, then what is done with its result on the worker's own thread.
struct Job {
    task: ngx_thread_task_t,
    /// Its timer keeps a worker that is to end until the task is complete: after a reload, what was
    /// recorded is answered too.
    hold: ngx_event_t,
    /// Null for a task that no request waits for.
    request: *mut ngx_http_request_t,
    work: Option<Box<dyn FnOnce() -> Finish + Send>>,
    finish: Option<Finish>,
}

/// Runs `work` in the pool while the request waits; then, on the worker's thread, runs `finish`
/// with its result (`None` if it panicked) and continues nginx's phases. `Err` if the pool's queue
/// is full: nothing was started.
///
/// The caller returns `AGAIN` to nginx.
pub(crate) fn offload<T: Send + 'static>(
    request: &mut Request,
    pool: ThreadPool,
    work: impl FnOnce() -> T + Send + 'static,
    finish: impl FnOnce(&mut Request, Option<T>) + Send + 'static,
) -> Result<(), ()> {
    let r = request.as_ptr();
    let work = move || -> Finish {
        let result = catch_unwind(AssertUnwindSafe(work)).ok();
        Finish::Request(Box::new(move |request: &mut Request| finish(request, result)))
    };
    // SAFETY: the request is live, and main exists for every request. The waiting request must be
    // resumed through the phases; `blocked` keeps its memory until `completed` has run.
    unsafe {
        post(pool, r, Box::new(work))?;
        keep(r);
    }
    Ok(())
}

/// Keeps a request while it waits, until [`resume`].
///
/// # Safety
/// `r` must be a live request that waits in one of nginx's phases.
pub(super) unsafe fn keep(r: *mut ngx_http_request_t) {
    // SAFETY: main exists for every request.
    unsafe {
        (*r).write_event_handler = Some(ngx_http_core_run_phases);
        let main = (*r).main;
        (*main).set_blocked((*main).blocked() + 1);
    }
}

/// Runs `work` in the pool; nothing waits for it. Its message is written to the error log. `Err` if
/// the pool's queue is full: nothing was started.
pub(crate) fn detach(
    pool: ThreadPool,
    work: impl FnOnce() -> Option<String> + Send + 'static,
) -> Result<(), ()> {
    let work = move || -> Finish {
        let note = catch_unwind(AssertUnwindSafe(work))
            .unwrap_or_else(|_| Some("panic in a task".to_string()));
        Finish::Note(note)
    };
    // SAFETY: without a request there is nothing that must outlive the task.
    unsafe { post(pool, std::ptr::null_mut(), Box::new(work)) }
}

/// # Safety
/// `request` must be null or a live request that the caller keeps alive with `blocked`.
unsafe fn post(
    pool: ThreadPool,
    request: *mut ngx_http_request_t,
    work: Box<dyn FnOnce() -> Finish + Send>,
) -> Result<(), ()> {
    // SAFETY: both are plain C data; nginx's own allocation zeroes them too.
    let (task, hold) = unsafe { (zeroed(), zeroed()) };
    let job = Box::into_raw(Box::new(Job { task, hold, request, work: Some(work), finish: None }));
    // SAFETY: the job lives until `completed` frees it, which nginx calls exactly once for a posted
    // task; if it was not posted, it is freed here. The pool is of this cycle, whose threads run.
    unsafe {
        (*job).task.ctx = job.cast();
        (*job).task.handler = Some(run);
        (*job).task.event.data = job.cast();
        (*job).task.event.handler = Some(completed);
        if ngx_thread_task_post(pool.0, &raw mut (*job).task) != NGX_OK as isize {
            drop(Box::from_raw(job));
            return Err(());
        }
        (*job).hold.handler = Some(hold_on);
        (*job).hold.log = (*nginx_sys::ngx_cycle).log;
        ngx_add_timer(&raw mut (*job).hold, HOLD_MSEC);
    }
    Ok(())
}

/// The task is not complete yet.
unsafe extern "C" fn hold_on(hold: *mut ngx_event_t) {
    // SAFETY: nginx gives the event of a live job, whose timer has just run out.
    unsafe { ngx_add_timer(hold, HOLD_MSEC) }
}

/// On a thread of the pool.
unsafe extern "C" fn run(data: *mut c_void, _log: *mut ngx_log_t) {
    let job: *mut Job = data.cast();
    // SAFETY: the job belongs to this thread alone until nginx hands it to `completed`, with a lock
    // in between. The closure catches its own panics.
    unsafe {
        if let Some(work) = (*job).work.take() {
            (*job).finish = catch_unwind(AssertUnwindSafe(work)).ok();
        }
    }
}

/// On the worker's thread, when the task has run.
unsafe extern "C" fn completed(event: *mut ngx_event_t) {
    // SAFETY: `data` is the job that `post` stored there; this is now its only owner.
    let mut job = unsafe { Box::from_raw((*event).data.cast::<Job>()) };
    if job.hold.timer_set() != 0 {
        // SAFETY: the timer is set, and nothing refers to the event afterwards.
        unsafe { ngx_del_timer(&raw mut job.hold) };
    }
    let r = job.request;
    if r.is_null() {
        if let Some(Finish::Note(Some(note))) = job.finish {
            // SAFETY: a worker has a cycle, which has a log.
            Log(unsafe { (*nginx_sys::ngx_cycle).log }).write(Level::Error, &note);
        }
        return;
    }
    // SAFETY: the request was kept when the task was posted.
    unsafe {
        resume(r, || {
            if let Some(Finish::Request(finish)) = job.finish {
                guard((*(*r).connection).log, (), || finish(&mut Request::new(r)));
            }
        });
    }
}

/// Runs `first`, then continues nginx's phases for a request that [`keep`] has kept.
///
/// # Safety
/// `keep` was called for `r`, and this once for each time.
pub(super) unsafe fn resume(r: *mut ngx_http_request_t, first: impl FnOnce()) {
    // SAFETY: `blocked` has kept the request and its connection alive until now. As in nginx's own
    // thread handlers, a request that has ended meanwhile is given to its connection, which frees
    // it.
    unsafe {
        let c = (*r).connection;
        let log_context: *mut ngx_http_log_ctx_t = (*(*c).log).data.cast();
        (*log_context).current_request = r;
        let main = (*r).main;
        (*main).set_blocked((*main).blocked() - 1);
        first();
        if has_ended(r) {
            if let Some(handler) = (*(*c).write).handler {
                handler((*c).write);
            }
            return;
        }
        if let Some(handler) = (*r).write_event_handler {
            handler(r);
        }
        ngx_http_run_posted_requests(c);
    }
}

/// # Safety
/// `r` must be a live request.
pub(super) unsafe fn has_ended(r: *mut ngx_http_request_t) -> bool {
    // SAFETY: the caller guarantees the request; main exists for every request.
    unsafe {
        #[cfg(nginx_terminated)]
        return (*r).done() != 0 || (*(*r).main).terminated() != 0;
        #[cfg(not(nginx_terminated))]
        return (*r).done() != 0;
    }
}
