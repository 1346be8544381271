//! What the server modules cost: processor time and rate of free, refused and paid requests on a real server,
//! beside the same server without the module, in one run.
//!
//!     cargo run --release -p micromint-servers --bin bench-servers -- --server apache --rounds 20
//!
//! `make bench-servers` builds the modules first. Every round asks every case once, one after the other, so that
//! what else the machine does falls on all of them alike; a row is the median of its rounds. Processor time is
//! that of the processes that serve and their threads, by the scheduler's own clock; the client is another process's thread.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod cases;
mod load;
mod processors;
mod servers;
mod supply;
mod table;

use std::path::PathBuf;

use clap::Parser;

/// Measures the server modules.
#[derive(Parser)]
struct Arguments {
    /// Which server.
    #[arg(long, value_enum, default_value_t = servers::Kind::Nginx)]
    server: servers::Kind,
    /// How often every case is measured.
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// Requests a case and round; payments of ten coins are a tenth, large pages a fifth, and pages by TLS a half of it.
    #[arg(long, default_value_t = 2000)]
    requests: usize,
    /// Only cases whose name contains this.
    #[arg(long, default_value = "")]
    only: String,
    /// Another build of the module, such as one from before a change: its rows stand beside the others.
    #[arg(long)]
    before: Option<PathBuf>,
    /// Ask one case alone, for a profiler; prints the number of the worker's process.
    #[arg(long)]
    hold: bool,
}

fn main() {
    let arguments = Arguments::parse();
    let plan = cases::Plan { rounds: arguments.rounds, requests: arguments.requests };
    let supply = supply::Supply::new(&plan);
    let (theirs, ours) = processors::divided();
    processors::bind(&theirs);
    let server = servers::Server::start(arguments.server, &supply, arguments.before.as_deref());
    processors::bind(&ours);
    let mut cases = cases::all(arguments.server, &plan, arguments.before.is_some());
    cases.retain(|case| case.is_baseline() || case.name.contains(&arguments.only));
    if arguments.hold {
        let case =
            cases.iter().rev().find(|case| case.name.contains(&arguments.only)).expect("a case");
        println!(
            "{}: processes {:?}",
            case.name,
            server.processes(case.side).iter().map(|pid| pid.as_raw_nonzero()).collect::<Vec<_>>()
        );
        // What is not paid for may be asked for again and again, and takes less long.
        let times = if matches!(case.what, cases::What::Paid(..)) { 1 } else { 20 };
        for round in (0..plan.rounds * times).map(|round| round % plan.rounds) {
            cases::measure(case, &server, &supply, round);
        }
        return;
    }
    for case in &cases {
        cases::warm_up(case, &server);
    }
    let mut rows: Vec<table::Row> = cases.iter().map(table::Row::new).collect();
    for round in 0..plan.rounds {
        // Each round begins with another case, so that none always follows the same one.
        for at in (0..cases.len()).map(|at| (at + round) % cases.len()) {
            let (case, row) = (&cases[at], &mut rows[at]);
            row.samples.push(cases::measure(case, &server, &supply, round));
        }
        eprintln!("round {} of {}", round + 1, plan.rounds);
    }
    let shared = cases::while_others_pay(&server, &supply, &plan);
    table::print(arguments.server, &plan, &rows, &shared);
}
