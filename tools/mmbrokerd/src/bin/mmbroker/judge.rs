//! The commands `return` and `watch`: messages that come in files.

use std::path::{Path, PathBuf};

use clap::Args;
use micromint::broker::Alarm;
use micromint::error::chain;
use micromint::money::coins;
use micromint::protocol::{RequestCredit, RequestWatch, Verdict, WATCH_DATA_SIZE_MAX, WatchResult};
use micromint_console::output::Existing;
use micromint_console::{EXIT_FAILURE, EXIT_OK, ToolError, read_input, say, tell};
use mmbrokerd::programs::{
    Broker, EXIT_ALARM, check_results_differ, random_number, report_alarm, result_path,
};

/// The largest Request-Credit message that is read, in bytes.
const RETURN_SIZE_MAX: usize = 16 * 1024 * 1024;
/// The largest Request-Watch message that is read, in bytes: the headers, and the data in Base64.
const WATCH_SIZE_MAX: usize = WATCH_DATA_SIZE_MAX / 54 * 78 + 64 * 1024;

#[derive(Args)]
pub(crate) struct Return {
    /// The file with the Request-Credit message; - reads standard input
    request: PathBuf,
    /// The file for the Funds-Credited message, which must not exist; - writes standard output
    /// [default: -]
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Watch {
    /// The folder for the results [default: the folder of each FILE; the result of FILE is
    /// FILE.result]
    #[arg(short, long, value_name = "FOLDER")]
    out: Option<PathBuf>,
    /// Files with Request-Watch messages; - reads standard input
    #[arg(required = true, value_name = "FILE")]
    messages: Vec<PathBuf>,
}

impl Return {
    pub(crate) async fn run(&self, broker: &Broker) -> Result<u8, ToolError> {
        let output = broker.rules(Existing::Kept).await?.open(self.out.as_deref())?;
        let request = RequestCredit::parse(&read_input(&self.request, RETURN_SIZE_MAX)?)
            .map_err(|error| format!("{}: {error}", self.request.display()))?;
        let (service, period) = (&broker.service, broker.period(Some(&request.period))?);
        let answer = service.take_back(&period, request, random_number()?, service.now()).await?;
        let answer = answer.into_result()?;
        output.write(&answer.to_bytes())?;
        let count = |verdict| answer.verdicts.iter().filter(|v| **v == verdict).count() as u64;
        let (waiting, credited) = (count(Verdict::Waiting), count(Verdict::Accepted));
        let disputed = match count(Verdict::Disputed) {
            0 => String::new(),
            number => format!(", {number} disputed"),
        };
        tell!(
            "{} of {}: {credited} credited, {waiting} waiting until {}, {} refused{disputed}",
            coins(answer.verdicts.len() as u64),
            answer.user,
            period.params().raw().redeem_until,
            answer.verdicts.iter().filter(|verdict| verdict.is_rejection()).count(),
        );
        Ok(report_alarm("mmbroker", &Alarm::of_return(&answer)))
    }
}

impl Watch {
    /// Answers the messages, each on its own. A file that fails does not stop the others.
    pub(crate) async fn run(&self, broker: &Broker) -> Result<u8, ToolError> {
        check_results_differ(self.out.as_deref(), &self.messages)?;
        let (mut has_failed, mut has_alarm) = (false, false);
        for path in &self.messages {
            match self.answer(broker, path).await {
                Ok(status) => has_alarm |= status != EXIT_OK,
                Err(error) => {
                    tell!("mmbroker: error: {}: {}", path.display(), chain(error.as_ref()));
                    has_failed = true;
                }
            }
        }
        Ok(match (has_failed, has_alarm) {
            (true, _) => EXIT_FAILURE,
            (false, true) => EXIT_ALARM,
            (false, false) => EXIT_OK,
        })
    }

    async fn answer(&self, broker: &Broker, path: &Path) -> Result<u8, ToolError> {
        let request = RequestWatch::parse(&read_input(path, WATCH_SIZE_MAX)?)?;
        broker.period(Some(&request.period))?;
        let is_its = |earlier: &Path| is_result_of(earlier, &request);
        let rules = broker.rules(Existing::If("an earlier result of this message", &is_its));
        let rules = rules.await?.uses(path, "the message");
        let output = rules.open(Some(&result_path(self.out.as_deref(), path)))?;
        let is_stdout = output.is_stdout();
        let (service, vendor) = (&broker.service, request.vendor.clone());
        let answer = service.watch(request.clone(), service.now()).await?.into_result()?;
        output.write(&answer.result.to_bytes())?;
        let verdicts = &answer.result.verdicts;
        let refused = verdicts.iter().filter(|verdict| verdict.is_rejection()).count() as u64;
        let number = coins(verdicts.len() as u64);
        let mut words = format!("{}: {number} of {vendor}, {refused} refused", path.display());
        if answer.is_repeated {
            words.push_str(" (this message was judged before)");
        }
        for user in answer.result.blocked.users() {
            words.push_str(&format!("\n  {vendor} should stop serving {user}"));
        }
        match is_stdout {
            true => tell!("{words}"),
            false => say!("{words}"),
        }
        Ok(report_alarm("mmbroker", &answer.alarm))
    }
}

/// Whether the file is the result of this message, as it was answered before.
fn is_result_of(earlier: &Path, request: &RequestWatch) -> bool {
    let earlier = read_input(earlier, WATCH_SIZE_MAX);
    earlier.is_ok_and(|text| {
        WatchResult::parse(&text).is_ok_and(|result| {
            (&result.vendor, &result.watch) == (&request.vendor, &request.watch)
        })
    })
}
