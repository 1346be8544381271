//! The server without a network: a fetch always fails.

use std::io::Cursor;
use std::sync::Arc;

use serde_json::json;

use super::*;

fn file(folder: &std::path::Path) -> WalletFile {
    WalletFile::new(Some(&folder.join("wallet.mmw"))).unwrap()
}

fn tools(file: &WalletFile) -> Tools<'_> {
    let fetcher = Fetcher {
        program: "/bin/false".into(),
        wallet: file.path().to_path_buf(),
        limits: vec!["--autopay=2".into()],
        net: vec!["--public-only".into()],
        task: "t".into(),
        folder: TemporaryFolder::new().unwrap(),
    };
    Tools::new(fetcher, file, micromint::wallet::Policy::new(2), Some("1 USD".parse().unwrap()))
}

/// The answers to these lines, in the order of their numbers.
fn answers(lines: &str) -> Vec<Value> {
    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);
    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let (file, sink) = (file(folder.path()), Sink::default());
    let output: Answers<'_> = Mutex::new(Box::new(sink.clone()));
    serve_on(&mut Cursor::new(lines.as_bytes()), &output, &tools(&file), &Calls::default())
        .unwrap();
    let written = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
    let mut found: Vec<Value> =
        written.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    found.sort_by_key(|answer| answer["id"].as_u64());
    found
}

fn call(id: u64, name: &str, arguments: Value) -> String {
    let params = json!({ "name": name, "arguments": arguments });
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params }).to_string()
        + "\n"
}

#[test]
fn the_first_messages_are_answered() {
    let hello = |version: &str| {
        let info = json!({ "name": "host\u{1b}[2J", "version": "1" });
        let params = json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": info });
        json!({ "id": 1, "method": "initialize", "params": params }).to_string() + "\n"
    };
    let found = answers(&hello("2025-03-26"));
    assert_eq!(found[0]["result"]["protocolVersion"], "2025-03-26");
    let told = found[0]["result"]["instructions"].as_str().unwrap();
    assert!(told.contains("at most 2 for a page, 1 USD for this task"), "{told}");
    assert_eq!(answers(&hello("1999-01-01"))[0]["result"]["protocolVersion"], "2025-11-25");
    let lines = "{\"method\":\"notifications/initialized\"}\n\n{\"id\":1,\"method\":\"ping\"}\n\
                 {\"id\":2,\"method\":\"tools/list\"}\n{\"id\":3,\"method\":\"prompts/list\"}\n";
    let found = answers(lines);
    assert_eq!((found.len(), &found[0]["result"]), (3, &json!({})));
    let tools = found[1]["result"]["tools"].as_array().unwrap();
    let names: Vec<&str> = tools.iter().filter_map(|tool| tool["name"].as_str()).collect();
    assert_eq!(names, ["fetch", "read_more", "price", "budget"]);
    assert_eq!(found[2]["error"]["code"], -32601);
}

#[test]
fn broken_and_long_lines_do_not_end_the_server() {
    let long = format!("{{\"id\":9,\"method\":\"{}\"}}\n", "x".repeat(MESSAGE_SIZE_MAX as usize));
    let lines = format!("{{\n{long}{{\"id\":1,\"method\":\"ping\"}}\n{}", &long[..long.len() - 1]);
    let codes: Vec<_> = answers(&lines).iter().map(|it| it["error"]["code"].clone()).collect();
    assert_eq!(codes, [json!(-32700), json!(-32600), json!(-32600), Value::Null]);
    // At the limit a line is read.
    let pad = " ".repeat(MESSAGE_SIZE_MAX as usize - "{\"id\":1,\"method\":\"ping\"}\n".len());
    let found = answers(&format!("{{\"id\":1,\"method\":\"ping\"}}{pad}\n"));
    assert_eq!(found[0]["result"], json!({}));
}

#[test]
fn arguments_that_a_tool_does_not_take_are_refused() {
    let long = format!("https://a.example/{}", "x".repeat(8192));
    let rows = [
        ("steal", json!({}), "there is no such tool"),
        ("fetch", json!([]), "expected an object of arguments"),
        ("fetch", json!({}), "url: expected a text"),
        ("fetch", json!({ "url": 1 }), "url: expected a text"),
        ("fetch", json!({ "url": long }), "url: expected at most 8192 bytes"),
        ("fetch", json!({ "url": "file:///etc/passwd" }), "expected http or https"),
        ("fetch", json!({ "url": "--output=/etc/passwd" }), "URL \"--output=/etc/passwd\""),
        ("fetch", json!({ "url": "https://a:b@c.example/" }), "give a name and password with -u"),
        ("fetch", json!({ "url": "https://a.example/", "autopay": 9 }), "expected no other"),
        ("fetch", json!({ "url": "https://a.example/", "reason": 1 }), "reason: expected a text"),
        ("fetch", json!({ "url": "https://a.example/", "reason": "x".repeat(401) }), "at most 400"),
        (
            "fetch",
            json!({ "url": "https://a.example/", "reason": "a\u{1b}[2J" }),
            "reason: expected",
        ),
        ("read_more", json!({ "url": "https://a.example/", "offset": 0 }), "was not fetched"),
        ("read_more", json!({ "url": "https://a.example/", "offset": -1 }), "offset: expected"),
        ("price", json!({ "url": "ftp://a.example/" }), "expected http or https"),
        ("budget", json!({ "task": "u" }), "expected no other"),
        ("budget", json!({}), "there is no wallet at"),
    ];
    for (name, arguments, says) in rows {
        let found = answers(&call(1, name, arguments.clone()));
        let result = &found[0]["result"];
        let text = result["content"][0]["text"].as_str().unwrap();
        assert!(result["isError"] == true && text.contains(says), "{name} {arguments}: {text}");
    }
}

#[test]
fn the_command_line_has_the_users_limits_and_no_word_of_the_agent() {
    let folder = tempfile::tempdir().unwrap();
    let file = file(folder.path());
    let tools = tools(&file);
    let arguments = tools.fetcher().arguments("/f".as_ref());
    let texts: Vec<String> = arguments.iter().map(|it| it.to_string_lossy().into_owned()).collect();
    for option in
        ["get", "--task=t", "--autopay=2", "--public-only", "--max-redirs=5", "--page-from-stdin"]
    {
        assert_eq!(texts.iter().filter(|text| *text == option).count(), 1, "{option}: {texts:?}");
    }
    assert!(!texts.iter().any(|text| text.starts_with("--asked")), "{texts:?}");
    assert_eq!(texts[texts.len() - 3..], ["--output", "/f", "-"]);
}

#[test]
fn many_calls_at_once_are_all_answered() {
    let lines: String =
        (0..50).map(|id| call(id, "fetch", json!({ "url": "https://a.example/" }))).collect();
    let found = answers(&lines);
    assert_eq!(found.len(), 50);
    assert!(found.iter().enumerate().all(|(id, answer)| answer["id"] == id), "{found:?}");
    assert!(found.iter().all(|answer| answer["result"]["isError"] == true));
}
