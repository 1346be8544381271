//! The calls of tools that run or wait, and their processes.
//!
//! Input: the identifiers of calls as they come. Output: places for those that may run, and the
//! output of their processes. The invariants: the number of calls that are held, and of those that
//! run, is bounded; a call that was cancelled starts no process, and the one that it has is killed.

use std::io::{Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// How many calls run at the same time at most.
const RUNNING_MAX: usize = 8;
/// How many calls run or wait at the same time at most.
pub(super) const HELD_MAX: usize = 64;

/// All calls of a server.
#[derive(Debug, Default)]
pub(super) struct Calls {
    held: Mutex<Held>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Held {
    calls: Vec<Arc<Call>>,
    running: usize,
}

/// A call of a tool.
#[derive(Debug, Default)]
pub(super) struct Call {
    id: Value,
    process: Mutex<Process>,
}

#[derive(Debug, Default)]
struct Process {
    is_cancelled: bool,
    child: Option<Child>,
}

/// What a process wrote, and how it ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    pub(super) status: ExitStatus,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Calls {
    /// Holds a call with this identifier; `None` if [`HELD_MAX`] are held.
    pub(super) fn begin(&self, id: &Value) -> Option<Arc<Call>> {
        let mut held = locked(&self.held);
        if held.calls.len() >= HELD_MAX {
            return None;
        }
        let call = Arc::new(Call { id: id.clone(), ..Call::default() });
        held.calls.push(Arc::clone(&call));
        Some(call)
    }

    /// Waits for a place to run, runs, and gives the place back; `None` if the call was cancelled.
    pub(super) fn run<T>(&self, call: &Call, act: impl FnOnce() -> T) -> Option<T> {
        let is_full = |held: &mut Held| held.running >= RUNNING_MAX && !call.is_cancelled();
        let waited = self.changed.wait_while(locked(&self.held), is_full);
        let mut held = waited.unwrap_or_else(PoisonError::into_inner);
        if call.is_cancelled() {
            return None;
        }
        held.running += 1;
        drop(held);
        let done = act();
        locked(&self.held).running -= 1;
        self.changed.notify_all();
        (!call.is_cancelled()).then_some(done)
    }

    /// Ends a call.
    pub(super) fn end(&self, call: &Arc<Call>) {
        locked(&self.held).calls.retain(|held| !Arc::ptr_eq(held, call));
        self.changed.notify_all();
    }

    /// Cancels the calls with this identifier.
    pub(super) fn cancel(&self, id: &Value) {
        self.cancel_those(|call| call.id == *id);
    }

    /// Cancels all calls.
    pub(super) fn cancel_all(&self) {
        self.cancel_those(|_| true);
    }

    fn cancel_those(&self, is_meant: impl Fn(&Call) -> bool) {
        let held = locked(&self.held);
        held.calls.iter().filter(|call| is_meant(call)).for_each(|call| call.cancel());
        drop(held);
        self.changed.notify_all();
    }

    /// Waits until all calls have ended, but no longer than this time; then cancels the others.
    pub(super) fn finish(&self, time_max: Duration) {
        let is_held = |held: &mut Held| !held.calls.is_empty();
        let waited = self.changed.wait_timeout_while(locked(&self.held), time_max, is_held);
        drop(waited);
        self.cancel_all();
    }
}

impl Call {
    pub(super) fn is_cancelled(&self) -> bool {
        locked(&self.process).is_cancelled
    }

    fn cancel(&self) {
        let mut process = locked(&self.process);
        process.is_cancelled = true;
        if let Some(child) = &mut process.child {
            // A process that has ended is not there to be killed.
            let _ = child.kill();
        }
    }

    /// Runs a process with this text on its standard input, which stays open until it ends: so it
    /// also learns of the end of this program.
    pub(super) fn process(&self, command: &mut Command, input: &str) -> Result<Ended, String> {
        let cannot = |error: std::io::Error| format!("cannot run mmwallet: {error}");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = locked(&self.process);
        if process.is_cancelled {
            return Err("cancelled".to_string());
        }
        let mut child = command.spawn().map_err(cannot)?;
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        process.child = Some(child);
        drop(process);
        if let Some(mut stdin) = stdin.as_ref() {
            // A process that reads nothing says why by itself.
            let _ = stdin.write_all(input.as_bytes());
        }
        let (stdout, stderr) = thread::scope(|scope| {
            let errors = scope.spawn(|| all_of(stderr));
            (all_of(stdout), errors.join().unwrap_or_default())
        });
        let child = locked(&self.process).child.take();
        let mut child = child.ok_or("cannot run mmwallet: its process is gone")?;
        let status = child.wait().map_err(cannot)?;
        drop(stdin);
        Ok(Ended { stdout, stderr, status })
    }
}

/// All that a process writes, until it ends.
fn all_of(output: Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut output) = output {
        // What came before an error is worth showing.
        let _ = output.read_to_end(&mut bytes);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_bounded_number_of_calls_is_held() {
        let calls = Calls::default();
        let held: Vec<_> = (0..HELD_MAX).map(|id| calls.begin(&json!(id)).unwrap()).collect();
        assert!(calls.begin(&json!("more")).is_none());
        calls.end(&held[0]);
        assert!(calls.begin(&json!("more")).is_some());
    }

    #[test]
    fn a_cancelled_call_has_no_process_and_gets_no_place() {
        let calls = Calls::default();
        let sleeping = calls.begin(&json!(1)).unwrap();
        let began = Instant::now();
        thread::scope(|scope| {
            let slept = scope.spawn(|| {
                calls.run(&sleeping, || sleeping.process(Command::new("sleep").arg("60"), ""))
            });
            while locked(&sleeping.process).child.is_none() {
                thread::sleep(Duration::from_millis(5));
            }
            calls.cancel(&json!(2));
            assert!(!sleeping.is_cancelled());
            calls.cancel(&json!(1));
            assert!(slept.join().unwrap().is_none());
        });
        assert!(began.elapsed() < Duration::from_secs(30));
        assert!(sleeping.process(&mut Command::new("true"), "").is_err());
        assert!(calls.run(&sleeping, || 1).is_none());
    }

    #[test]
    fn what_a_process_gets_and_says_is_carried() {
        let call = Call::default();
        let script = "read a; read b; echo $b; echo $a >&2; exit 3";
        let ended = call.process(Command::new("sh").args(["-c", script]), "x\ny\n").unwrap();
        assert_eq!((&ended.stdout[..], &ended.stderr[..]), (&b"y\n"[..], &b"x\n"[..]));
        assert_eq!(ended.status.code(), Some(3));
    }
}
