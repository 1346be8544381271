//! `--write-out`: a line about a fetch for scripts, in curl's format.
//!
//! Input: a format with `%{variable}`, `%header{name}`, `%%`, `\n`, `\r` and `\t`. Output: text for
//! standard output and for standard error. The invariant: no variable holds a coin or a key.

use micromint_console::harmless;
use serde_json::{Value, json};
use url::Url;

use crate::net::Transfer;

/// What the variables are about.
#[derive(Debug)]
pub(super) struct Fetched<'a> {
    pub(super) transfer: &'a Transfer,
    /// The URL that the user gave.
    pub(super) url: &'a str,
    pub(super) exit_status: u8,
    /// The size of the content that was written.
    pub(super) size: u64,
    /// The file that was written.
    pub(super) file: Option<String>,
    /// The time since the first request, in seconds.
    pub(super) seconds: f64,
}

/// What to print: (standard output, standard error).
pub(super) fn written(format: &str, fetched: &Fetched<'_>) -> (String, String) {
    let mut texts = [String::new(), String::new()];
    let mut to = 0;
    let mut rest = format;
    while let Some(first) = rest.chars().next() {
        if let Some((name, after)) = name_in(rest, "%{") {
            match name {
                "stdout" => to = 0,
                "stderr" => to = 1,
                // The rest is only for failures.
                "onerror" if fetched.exit_status == 0 => break,
                "onerror" => {}
                _ => texts[to].push_str(&harmless(&fetched.text_of(name))),
            }
            rest = after;
        } else if let Some((name, after)) = name_in(rest, "%header{") {
            texts[to].push_str(&harmless(&fetched.header(name)));
            rest = after;
        } else {
            let pairs = [("%%", '%'), ("\\n", '\n'), ("\\r", '\r'), ("\\t", '\t')];
            let pair = pairs.iter().find(|(from, _)| rest.starts_with(from));
            let (size, meant) = pair.map_or((first.len_utf8(), first), |(_, meant)| (2, *meant));
            texts[to].push(meant);
            rest = &rest[size..];
        }
    }
    texts.into()
}

/// The name after `prefix` and up to `}`, and what follows.
fn name_in<'a>(text: &'a str, prefix: &str) -> Option<(&'a str, &'a str)> {
    text.strip_prefix(prefix)?.split_once('}')
}

impl Fetched<'_> {
    fn text_of(&self, name: &str) -> String {
        match name {
            "json" => self.json().to_string(),
            "header_json" => self.header_json().to_string(),
            _ => match self.json().get(name) {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Null) => String::new(),
                // As curl prints it.
                Some(value) if name == "http_code" || name == "response_code" => {
                    format!("{:03}", value.as_u64().unwrap_or(0))
                }
                Some(value) if name == "time_total" => {
                    format!("{:.6}", value.as_f64().unwrap_or(0.0))
                }
                Some(value) => value.to_string(),
                None => String::new(),
            },
        }
    }

    fn json(&self) -> Value {
        let Transfer { url, method, status, version, requests, redirects, coins_paid, .. } =
            self.transfer;
        let location = self.header("location");
        let base = Url::parse(url).ok();
        let redirect = base.as_ref().filter(|_| !location.is_empty());
        json!({
            "coins_paid": coins_paid,
            "content_type": self.header("content-type"),
            "exitcode": self.exit_status,
            "filename_effective": self.file,
            "http_code": status,
            "http_version": version,
            "method": method,
            "num_redirects": redirects,
            "num_requests": requests,
            "redirect_url": redirect.and_then(|url| url.join(&location).ok()).map(String::from),
            "response_code": status,
            "scheme": base.as_ref().map(|url| url.scheme()),
            "size_download": self.size,
            "speed_download": (self.size as f64 / self.seconds.max(1e-6)) as u64,
            "time_total": self.seconds,
            "url": self.url,
            "url_effective": url,
        })
    }

    /// The first value of a header; empty without one, and for cookies, which may be receipts.
    fn header(&self, name: &str) -> String {
        if name.eq_ignore_ascii_case("set-cookie") {
            return String::new();
        }
        let value = self.transfer.headers.get(name);
        value.map_or(String::new(), |value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    }

    fn header_json(&self) -> Value {
        let headers = &self.transfer.headers;
        let values = |name: &ureq::http::HeaderName| -> Vec<String> {
            let values = headers.get_all(name).iter();
            values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
        };
        headers
            .keys()
            .filter(|name| *name != "set-cookie")
            .map(|name| (name.to_string(), Value::from(values(name))))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(format: &str, exit_status: u8) -> (String, String) {
        let mut transfer = Transfer {
            url: "https://a.example/b".into(),
            method: "GET".into(),
            status: 302,
            version: "1.1".into(),
            requests: 2,
            coins_paid: 3,
            ..Transfer::default()
        };
        transfer.headers.insert("location", "/c".parse().unwrap());
        transfer.headers.insert("set-cookie", "micromint-receipt=secret".parse().unwrap());
        written(
            format,
            &Fetched {
                transfer: &transfer,
                url: "a.example",
                exit_status,
                size: 5,
                file: None,
                seconds: 0.25,
            },
        )
    }

    #[test]
    fn variables_and_escapes_are_those_of_curl() {
        for (format, expected) in [
            ("%{http_code} %{size_download}\\n", "302 5\n"),
            ("%{url_effective}|%{redirect_url}", "https://a.example/b|https://a.example/c"),
            ("%header{location}%header{none}", "/c"),
            ("100%% \\t%{nothing}%{filename_effective}%", "100% \t%"),
            ("%{time_total}", "0.250000"),
            ("%{coins_paid} of %{num_requests}", "3 of 2"),
            ("%{unclosed", "%{unclosed"),
        ] {
            assert_eq!(texts(format, 0), (expected.to_string(), String::new()), "{format}");
        }
        let (out, err) = texts("a%{stderr}b%{stdout}c%{onerror}d", 0);
        assert_eq!((out.as_str(), err.as_str()), ("ac", "b"));
        assert_eq!(texts("%{onerror}%{exitcode}", 6).0, "6");
        let json: Value = serde_json::from_str(&texts("%{json}", 0).0).unwrap();
        assert_eq!(
            (json["http_code"].as_u64(), json["scheme"].as_str()),
            (Some(302), Some("https"))
        );
        assert!(!texts("%{json}%{header_json}", 0).0.contains("secret"));
    }
}
