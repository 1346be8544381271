//! The Common Gateway Interface (RFC 3875) for [`respond`](crate::web::respond). Input: environment
//! variables and standard input. Output: a response on standard output.

use std::env;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use micromint::error::chain;
use micromint::host::{Clock, SystemClock};
use micromint::protocol::parse_decimal;
use micromint_console::{ToolError, tell};

use crate::common::open;
use crate::random_number;
use crate::web::{
    self, BODY_SIZE_MAX, WEB_SETS_MAX_DEFAULT, WebRequest, WebResponse, WebSettings, refusal,
};

/// Answers one request. Errors go to standard error, which the web server logs. The client gets no
/// details.
pub(crate) fn main() -> ExitCode {
    let response = answer().unwrap_or_else(|error| {
        tell!("mmbroker: error: {}", chain(error.as_ref()));
        refusal(500, "The broker cannot answer at the moment.")
    });
    match write(&response.for_accept(variable("HTTP_ACCEPT").as_deref())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell!("mmbroker: error: cannot write the response: {error}");
            ExitCode::FAILURE
        }
    }
}

fn answer() -> Result<WebResponse, ToolError> {
    let mut request = WebRequest {
        method: variable("REQUEST_METHOD").unwrap_or_default(),
        path: variable("PATH_INFO").unwrap_or_default(),
        script: variable("SCRIPT_NAME").unwrap_or_default(),
        remote_user: variable("REMOTE_USER"),
        content_type: variable("CONTENT_TYPE"),
        sec_fetch_site: variable("HTTP_SEC_FETCH_SITE"),
        origin: variable("HTTP_ORIGIN"),
        host: variable("HTTP_HOST"),
        body: Vec::new(),
    };
    if request.method == "POST" {
        let length = match variable("CONTENT_LENGTH").as_deref().map(parse_decimal) {
            Some(Some(length)) => length,
            _ => return Ok(refusal(411, "Expected a Content-Length header with a number.")),
        };
        if length > BODY_SIZE_MAX as u64 {
            return Ok(refusal(
                413,
                format!("Expected a request of at most {BODY_SIZE_MAX} bytes, found {length}."),
            ));
        }
        io::stdin().take(length).read_to_end(&mut request.body)?;
        if request.body.len() as u64 != length {
            return Ok(refusal(
                400,
                "The request is incomplete: its body is shorter than its Content-Length.",
            ));
        }
    }
    let coin_file = variable("MICROMINT_COINFILE").ok_or(
        "MICROMINT_COINFILE is not set; set it in the web server to the path of the coin file",
    )?;
    let secret_file = variable("MICROMINT_SECRET_FILE").map(PathBuf::from);
    let mut broker = open(coin_file.as_ref(), secret_file.as_deref())?;
    let settings = settings(&broker.params().raw().broker)?;
    web::respond(&mut broker, &settings, &request, random_number()?, SystemClock.now())
}

fn settings(broker_url: &str) -> Result<WebSettings, ToolError> {
    let sets_max = match variable("MICROMINT_SETS_MAX") {
        None => WEB_SETS_MAX_DEFAULT,
        Some(text) => parse_decimal(&text)
            .and_then(|number| u32::try_from(number).ok())
            .ok_or_else(|| format!("MICROMINT_SETS_MAX: expected a number, found {text:?}"))?,
    };
    let url = variable("MICROMINT_URL").unwrap_or_else(|| broker_url.to_string());
    Ok(WebSettings { sets_max, url: url.trim_end_matches('/').to_string() })
}

/// An environment variable; `None` if it is not set, empty or not UTF-8.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Writes a CGI response, without the body for a HEAD request.
fn write(response: &WebResponse) -> io::Result<()> {
    let mut output = io::stdout().lock();
    write!(output, "Status: {}\r\n", response.status)?;
    for (name, value) in &response.headers {
        write!(output, "{name}: {value}\r\n")?;
    }
    write!(output, "Content-Length: {}\r\n\r\n", response.body.len())?;
    if variable("REQUEST_METHOD").as_deref() != Some("HEAD") {
        output.write_all(&response.body)?;
    }
    output.flush()
}
