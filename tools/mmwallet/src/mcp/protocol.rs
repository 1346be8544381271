//! The messages of the Model Context Protocol that a server of tools needs.
//!
//! Input: a line of JSON-RPC 2.0. Output: what it asks for, and its answer. The invariant: every
//! request gets exactly one answer, unless it is cancelled; a notification gets none.

use serde_json::{Value, json};

use super::tools::{ToolResult, Tools};

/// The versions of the protocol that this server speaks, the newest first.
const VERSIONS: [&str; 4] = ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];
/// The longest identifier of a request, in bytes.
const ID_LEN_MAX: usize = 256;

// Error codes of JSON-RPC 2.0.
const PARSE_ERROR: i32 = -32700;
const INVALID_REQUEST: i32 = -32600;
const METHOD_NOT_FOUND: i32 = -32601;
const INVALID_PARAMS: i32 = -32602;

/// A message of the agent's host that needs something.
#[derive(Debug, PartialEq)]
pub(super) enum Incoming {
    /// The first request.
    Initialize {
        id: Value,
        version: Option<String>,
        client: String,
    },
    Ping {
        id: Value,
    },
    ListTools {
        id: Value,
    },
    Call {
        id: Value,
        name: String,
        arguments: Value,
    },
    /// The answer to the request with this identifier is not needed any more.
    Cancelled {
        id: Value,
    },
    /// A request that this server does not know, or that is incomplete.
    Wrong {
        id: Value,
        code: i32,
        why: String,
    },
}

impl Incoming {
    /// Reads a line; `None` for an empty line, an answer, or a notification that needs nothing.
    pub(super) fn parse(line: &[u8]) -> Result<Option<Incoming>, String> {
        if line.iter().all(u8::is_ascii_whitespace) {
            return Ok(None);
        }
        let message: Value = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let id = message.get("id").cloned().unwrap_or(Value::Null);
        let is_id = match &id {
            Value::String(text) => text.len() <= ID_LEN_MAX,
            Value::Number(_) => true,
            _ => false,
        };
        let Some(method) = message.get("method").and_then(Value::as_str) else {
            let is_answer = message.get("result").or(message.get("error")).is_some();
            let wrong = Incoming::wrong(Value::Null, INVALID_REQUEST, "expected a request");
            return Ok((!is_answer).then_some(wrong));
        };
        if message.get("id").is_none() {
            let request = message.get("params").and_then(|params| params.get("requestId"));
            let cancelled = request.filter(|_| method == "notifications/cancelled");
            return Ok(cancelled.map(|id| Incoming::Cancelled { id: id.clone() }));
        }
        if !is_id {
            let why = "expected an id that is a number or a short text";
            return Ok(Some(Incoming::wrong(Value::Null, INVALID_REQUEST, why)));
        }
        let params = message.get("params");
        let text = |name: &str| Some(params?.get(name)?.as_str()?.to_string());
        Ok(Some(match method {
            "initialize" => {
                let info = params.and_then(|params| params.get("clientInfo")?.get("name"));
                let client = info.and_then(Value::as_str).unwrap_or("an agent").to_string();
                Incoming::Initialize { id, version: text("protocolVersion"), client }
            }
            "ping" => Incoming::Ping { id },
            "tools/list" => Incoming::ListTools { id },
            "tools/call" => match text("name") {
                Some(name) => {
                    let arguments = params.and_then(|params| params.get("arguments"));
                    Incoming::Call { id, name, arguments: arguments.cloned().unwrap_or(json!({})) }
                }
                None => Incoming::wrong(id, INVALID_PARAMS, "expected the name of a tool"),
            },
            _ => Incoming::wrong(id, METHOD_NOT_FOUND, "this server has only tools"),
        }))
    }

    fn wrong(id: Value, code: i32, why: &str) -> Incoming {
        Incoming::Wrong { id, code, why: why.to_string() }
    }
}

/// The answer to anything but the call of a tool.
pub(super) fn answer_to(incoming: Incoming, tools: &Tools<'_>) -> Option<Value> {
    Some(match incoming {
        Incoming::Initialize { id, version, client } => {
            tools.meet(&client);
            let version = version.as_deref().filter(|version| VERSIONS.contains(version));
            let result = json!({
                "protocolVersion": version.unwrap_or(VERSIONS[0]),
                "capabilities": { "tools": {} },
                "serverInfo": { "name": "mmwallet", "version": env!("CARGO_PKG_VERSION") },
                "instructions": tools.instructions(),
            });
            json!({ "jsonrpc": "2.0", "id": id, "result": result })
        }
        Incoming::Ping { id } => json!({ "jsonrpc": "2.0", "id": id, "result": {} }),
        Incoming::ListTools { id } => {
            json!({ "jsonrpc": "2.0", "id": id, "result": { "tools": tools.list() } })
        }
        Incoming::Wrong { id, code, why } => error(id, code, &why),
        Incoming::Call { .. } | Incoming::Cancelled { .. } => return None,
    })
}

/// The answer to the call of a tool.
pub(super) fn result(id: Value, result: ToolResult) -> Value {
    let result = match result {
        Ok(content) => json!({ "content": content }),
        Err(why) => {
            json!({ "content": [{ "type": "text", "text": why }], "isError": true })
        }
    };
    json!({ "jsonrpc": "2.0", "id": id, "result": result })
}

/// The answer to a line that is not JSON.
pub(super) fn parse_error(why: &str) -> Value {
    error(Value::Null, PARSE_ERROR, why)
}

/// The answer to a line that is too long.
pub(super) fn too_long() -> Value {
    let why = format!("expected a message of at most {} bytes", super::MESSAGE_SIZE_MAX);
    error(Value::Null, INVALID_REQUEST, &why)
}

fn error(id: Value, code: i32, why: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": why } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Option<Incoming> {
        Incoming::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn requests_are_read_and_notifications_need_nothing() {
        let call =
            r#"{"id":"a","method":"tools/call","params":{"name":"fetch","arguments":{"url":1}}}"#;
        let (id, name) = (json!("a"), "fetch".to_string());
        assert_eq!(parse(call), Some(Incoming::Call { id, name, arguments: json!({"url": 1}) }));
        assert_eq!(parse(r#"{"id":1,"method":"ping"}"#), Some(Incoming::Ping { id: json!(1) }));
        let cancelled = r#"{"method":"notifications/cancelled","params":{"requestId":"a"}}"#;
        assert_eq!(parse(cancelled), Some(Incoming::Cancelled { id: json!("a") }));
        for silent in [
            "",
            " \n",
            r#"{"method":"notifications/initialized"}"#,
            r#"{"method":"notifications/cancelled"}"#,
            r#"{"method":"notifications/other","params":{"requestId":1}}"#,
            r#"{"id":1,"result":{}}"#,
            r#"{"id":1,"error":{}}"#,
            r#"{"method":"tools/call","params":{"name":"fetch"}}"#,
        ] {
            assert_eq!(parse(silent), None, "{silent}");
        }
    }

    #[test]
    fn wrong_messages_get_the_codes_of_json_rpc() {
        for (text, expected) in [
            (r#"{"id":1,"method":"resources/list"}"#, METHOD_NOT_FOUND),
            (r#"{"id":1,"method":"tools/call"}"#, INVALID_PARAMS),
            (r#"{"id":1,"method":"tools/call","params":{"name":1}}"#, INVALID_PARAMS),
            (r#"{"id":null,"method":"ping"}"#, INVALID_REQUEST),
            (r#"{"id":{},"method":"ping"}"#, INVALID_REQUEST),
            (r#"{"id":1}"#, INVALID_REQUEST),
            ("[]", INVALID_REQUEST),
            (r#"[{"id":1,"method":"ping"}]"#, INVALID_REQUEST),
            ("1", INVALID_REQUEST),
        ] {
            let found = parse(text);
            assert!(
                matches!(found, Some(Incoming::Wrong { code, .. }) if code == expected),
                "{text}"
            );
        }
        let long = format!(r#"{{"id":"{}","method":"ping"}}"#, "x".repeat(ID_LEN_MAX));
        assert!(matches!(parse(&long), Some(Incoming::Ping { .. })));
        let longer = long.replacen('x', "xx", 1);
        assert!(matches!(parse(&longer), Some(Incoming::Wrong { code: INVALID_REQUEST, .. })));
        assert!(Incoming::parse(b"{").is_err());
        assert!(Incoming::parse(b"\xff").is_err());
    }
}
