//! The cost of the server modules: processor time and rate of free, refused and paid requests on a
//! real server, compared with the same server without the module, in one run.
//!
//!     cargo run --release -p micromint-servers --bin bench-servers -- --server apache --rounds 20
//!
//! `make bench-servers` builds the modules first. Every round runs every case once, one after the
//! other, so that other load on the machine affects all of them equally; a row is the median of its
//! rounds. Processor time is that of the processes that serve and their threads, by the scheduler's
//! own clock; the client is a thread of another process.
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
    /// The number of rounds.
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// Requests for each case and round. Payments of ten coins are a tenth of it, large pages a
    /// fifth, and pages over TLS half of it.
    #[arg(long, default_value_t = 2000)]
    requests: usize,
    /// Connections that send requests at the same time: at most 32. With 1 every request is alone.
    #[arg(long, default_value_t = cases::CONNECTIONS, value_parser = at_most_all)]
    connections: usize,
    /// Only cases whose name contains this text.
    #[arg(long, default_value = "")]
    only: String,
    /// Another build of the module, such as one from before a change: its rows appear beside the
    /// others.
    #[arg(long)]
    before: Option<PathBuf>,
    /// Run one case alone, for a profiler; prints the process ID of the worker.
    #[arg(long)]
    hold: bool,
}

fn at_most_all(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if (1..=cases::CONNECTIONS).contains(&count) => Ok(count),
        _ => Err(format!("expected 1 to {}", cases::CONNECTIONS)),
    }
}

fn main() {
    let arguments = Arguments::parse();
    let plan = cases::Plan {
        rounds: arguments.rounds,
        requests: arguments.requests,
        connections: arguments.connections,
    };
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
        // A request without a payment can be repeated, and takes less time.
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
        // Each round starts with another case, so that no case always follows the same one.
        for at in (0..cases.len()).map(|at| (at + round) % cases.len()) {
            let (case, row) = (&cases[at], &mut rows[at]);
            row.samples.push(cases::measure(case, &server, &supply, round));
        }
        eprintln!("round {} of {}", round + 1, plan.rounds);
    }
    let shared = cases::while_others_pay(&server, &supply, &plan);
    table::print(arguments.server, &plan, &rows, &shared);
}
