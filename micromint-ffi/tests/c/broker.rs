//! The broker of `cycle.c`: the core's in memory, with the coin file that the C program minted. The
//! library has none.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::Stdio;

use micromint_core::authenticator::Key;
use micromint_core::broker::MemoryBroker;
use micromint_core::host::DiskDirectory;
use micromint_core::protocol::{RequestCredit, RequestRedemption};
use micromint_core::reply::Reply;
use micromint_core::time::UnixTime;

use crate::library;

/// The broker's secret, as in `cycle.c`.
fn secret() -> Key {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8]);
    Key::from_bytes(bytes)
}

/// Runs a program with the folder of a mint and a vendor, and answers it until it ends.
pub(crate) fn serve(program: &Path, folder: &Path) {
    let mut command = library::command(program);
    let mut process =
        command.arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = process.stdin.take().unwrap();
    let mut output = BufReader::new(process.stdout.take().unwrap());
    let mut broker = None;
    loop {
        let mut line = String::new();
        if output.read_line(&mut line).unwrap() == 0 {
            break;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut bytes = vec![0; words[2].parse().unwrap()];
        output.read_exact(&mut bytes).unwrap();
        // The program has minted before it asks.
        let broker = broker.get_or_insert_with(|| open(folder));
        let now = UnixTime(words[1].parse().unwrap());
        let (kind, answer) = answer(broker, words[0], now, &words[3..], &bytes);
        writeln!(input, "{kind} {}", answer.len()).unwrap();
        input.write_all(&answer).unwrap();
    }
    let status = process.wait().unwrap();
    assert!(status.success(), "{}: {status}", program.display());
}

fn open(folder: &Path) -> MemoryBroker {
    let (directory, name) = DiskDirectory::of_file(&folder.join("2026-12.coins")).unwrap();
    MemoryBroker::open(&directory, &name, secret()).unwrap()
}

fn answer(
    broker: &mut MemoryBroker,
    what: &str,
    now: UnixTime,
    words: &[&str],
    bytes: &[u8],
) -> (&'static str, Vec<u8>) {
    let number = |at: usize| words[at].parse::<u64>().unwrap();
    match what {
        "sell" => {
            let user = words[0].parse().unwrap();
            told(broker.withdraw(&user, 1, number(1), now).unwrap().map(|it| it.to_bytes()))
        }
        "register" => {
            let vendor = words[0].parse().unwrap();
            told(broker.register_vendor(&vendor, now).map(|_| Vec::new()))
        }
        "redeem" => {
            let batch = RequestRedemption::parse(bytes).unwrap();
            told(broker.redeem(&batch, now).unwrap().map(|it| it.result.to_bytes()))
        }
        "invite" => {
            let (user, url) = (words[0].parse().unwrap(), words[1].parse().unwrap());
            ("message", broker.send_expired(&user, url, now).unwrap().to_bytes())
        }
        "take-back" => {
            let request = RequestCredit::parse(bytes).unwrap();
            told(broker.take_back(&request, number(0), now).unwrap().map(|it| it.to_bytes()))
        }
        other => panic!("{other:?} is no request"),
    }
}

fn told(reply: Reply<Vec<u8>, impl std::fmt::Display>) -> (&'static str, Vec<u8>) {
    match reply {
        Reply::Granted(message) => ("message", message),
        Reply::Refused(why) => ("refused", why.to_string().into_bytes()),
    }
}
