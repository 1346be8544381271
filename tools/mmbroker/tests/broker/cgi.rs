//! The program as a web server starts it.

use std::process::Output;
use std::time::Duration;

use assert_cmd::Command;
use micromint::protocol::{FundsCredited, FundsWithdrawn, RequestCredit, SendExpired, Verdict};

use super::{COINS, Place};

impl Place {
    /// Starts mmbroker with the environment of RFC 3875.
    pub(crate) fn cgi(&self, variables: &[(&str, &str)], body: &[u8]) -> Output {
        let mut command = Command::from(self.cgi_command(variables, body.len()));
        command.write_stdin(body).timeout(Duration::from_secs(60));
        command.output().unwrap()
    }

    /// The same, not started yet, for a body of this length.
    pub(crate) fn cgi_command(
        &self,
        variables: &[(&str, &str)],
        length: usize,
    ) -> std::process::Command {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mmbroker"));
        command
            .env_clear()
            .env("GATEWAY_INTERFACE", "CGI/1.1")
            .env("SERVER_PROTOCOL", "HTTP/1.1")
            .env("SCRIPT_NAME", "/cgi-bin/mmbroker")
            .env("HTTP_HOST", "broker.example")
            .env("CONTENT_LENGTH", length.to_string())
            .env("MICROMINT_COINFILE", self.path(COINS))
            .envs(variables.iter().copied())
            // An indexed query passes arguments to a CGI program; they must be ignored.
            .arg("status");
        command
    }
}

/// The headers and the body of a CGI response.
pub(crate) fn split(output: &Output) -> (String, &[u8]) {
    let at = output.stdout.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    (String::from_utf8(output.stdout[..at].to_vec()).unwrap(), &output.stdout[at + 4..])
}

const ALICE: (&str, &str) = ("REMOTE_USER", "alice");
const FORM: (&str, &str) = ("CONTENT_TYPE", "application/x-www-form-urlencoded");
const MESSAGE: (&str, &str) = ("CONTENT_TYPE", "application/x-micromint");
const GET: (&str, &str) = ("REQUEST_METHOD", "GET");
const POST: (&str, &str) = ("REQUEST_METHOD", "POST");

#[test]
fn the_form_leads_to_a_sale() {
    let place = Place::new();
    let output = place.cgi(&[GET, ALICE, ("MICROMINT_SETS_MAX", "3")], b"");
    let (headers, body) = split(&output);
    assert!(
        headers.starts_with("Status: 200\r\nContent-Type: text/html; charset=utf-8\r\n"),
        "{headers}"
    );
    let page = String::from_utf8(body.to_vec()).unwrap();
    assert!(page.contains("max=\"3\""), "{page}");
    let number =
        page.split("name=\"transaction\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let form = format!("transaction={number}&sets=2");
    let first =
        place.cgi(&[POST, ALICE, FORM, ("HTTP_SEC_FETCH_SITE", "same-origin")], form.as_bytes());
    let (headers, body) = split(&first);
    assert!(headers.contains("\r\nContent-Type: application/x-micromint\r\n"), "{headers}");
    assert!(headers.contains(&format!("\r\nContent-Length: {}", body.len())), "{headers}");
    let funds = FundsWithdrawn::parse(body).unwrap();
    assert_eq!((funds.sets.len(), funds.transaction.to_string()), (2, number.to_string()));
    let second = place.cgi(&[POST, ALICE, FORM], form.as_bytes());
    assert_eq!(second.stdout, first.stdout);
    assert!(place.text("mmbroker status").contains("sales      1 (2 sets"));

    let head = place.cgi(&[("REQUEST_METHOD", "HEAD"), ALICE], b"");
    assert!(split(&head).1.is_empty());
}

#[test]
fn refusals_have_their_status() {
    let place = Place::new();
    let status = |variables: &[(&str, &str)], body: &[u8]| {
        let output = place.cgi(variables, body);
        assert!(output.status.success());
        split(&output).0.lines().next().unwrap().to_string()
    };
    let form = b"transaction=1&sets=1";
    assert_eq!(status(&[GET], b""), "Status: 403");
    assert_eq!(status(&[POST, FORM], form), "Status: 403");
    assert_eq!(
        status(&[POST, ALICE, FORM, ("HTTP_SEC_FETCH_SITE", "cross-site")], form),
        "Status: 403"
    );
    assert_eq!(
        status(&[POST, ALICE, FORM, ("HTTP_ORIGIN", "https://evil.example")], form),
        "Status: 403"
    );
    assert_eq!(status(&[("REQUEST_METHOD", "DELETE"), ALICE], b""), "Status: 405");
    assert_eq!(status(&[GET, ALICE, ("PATH_INFO", "/nowhere")], b""), "Status: 404");
    assert_eq!(status(&[POST, ALICE, FORM, ("CONTENT_LENGTH", "")], form), "Status: 411");
    assert_eq!(status(&[POST, ALICE, FORM, ("CONTENT_LENGTH", "x")], form), "Status: 411");
    assert_eq!(status(&[POST, ALICE, FORM, ("CONTENT_LENGTH", "16777217")], form), "Status: 413");
    assert_eq!(status(&[POST, ALICE, FORM, ("CONTENT_LENGTH", "21")], form), "Status: 400");
    assert_eq!(status(&[POST, ALICE, FORM, ("MICROMINT_SETS_MAX", "0")], form), "Status: 400");
    assert!(place.text("mmbroker status").contains("sales      0 "));
}

#[test]
fn internal_errors_go_only_to_the_log() {
    let place = Place::new();
    let output = place.cgi(&[GET, ALICE, ("MICROMINT_COINFILE", "/no/such/file")], b"");
    let (headers, body) = split(&output);
    assert!(headers.starts_with("Status: 500"));
    assert!(!String::from_utf8_lossy(body).contains("/no/such"));
    assert!(String::from_utf8(output.stderr).unwrap().contains("/no/such/"));
}

#[test]
fn after_the_expiration_coins_are_returned() {
    let place = Place::expiring("2021");
    let text =
        place.run("mmbroker withdraw --user alice --sets 1 --as-of 2020-06-01T00:00:00Z", 0).stdout;
    let funds = FundsWithdrawn::parse(&text).unwrap();
    let url = ("MICROMINT_URL", "https://broker.example/cgi-bin/mmbroker/");
    let output = place.cgi(&[GET, ALICE, url, ("PATH_INFO", "/expired")], b"");
    let invitation = SendExpired::parse(split(&output).1).unwrap();
    assert_eq!(invitation.return_url.as_str(), "https://broker.example/cgi-bin/mmbroker/return");
    let mut request = RequestCredit {
        user: funds.user.clone(),
        period: funds.period().clone(),
        request: "r1".parse().unwrap(),
        authenticator: funds.user_key.request_credit("r1", &[]),
        x: funds.sets[0].superbins[0].clone(),
    };
    request.authenticator = funds.user_key.request_credit("r1", &request.data());
    let output = place.cgi(&[POST, MESSAGE, ("PATH_INFO", "/return")], &request.to_bytes());
    let answer = FundsCredited::parse(split(&output).1).unwrap();
    assert_eq!(answer.verdicts, vec![Verdict::Waiting; request.x.len()]);
}
