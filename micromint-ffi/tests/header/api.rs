//! What the header declares, for programs: `include/micromint-api.json`, and a header without a
//! preprocessor, `include/micromint.ffi.h`, for the C parsers of other languages.

use serde_json::{Value, json};

/// A declaration and the comment before it.
struct Declared<'a> {
    doc: String,
    code: &'a str,
}

/// The declarations of a header, or the members of an enum, each up to `end`.
fn declarations(text: &str, end: char) -> Vec<Declared<'_>> {
    let (mut found, mut doc, mut rest) = (Vec::new(), String::new(), text.trim_start());
    while !rest.is_empty() {
        let taken = if let Some(comment) = rest.strip_prefix("/*") {
            let (comment, after) = comment.split_once("*/").unwrap();
            doc = cleaned(comment);
            rest = after.trim_start();
            continue;
        } else if rest.starts_with('#') || rest.starts_with("extern \"C\"") {
            rest.split('\n').next().unwrap()
        } else if rest.starts_with('}') {
            // The end of extern "C".
            rest.split('\n').next().unwrap()
        } else {
            &rest[..length(rest, end)]
        };
        rest = rest[taken.len()..].trim_start_matches([end, ' ', '\n']);
        found.push(Declared { doc: std::mem::take(&mut doc), code: taken.trim() });
    }
    found
}

/// The length of the text before `end`, which is outside braces, parentheses and comments.
fn length(text: &str, end: char) -> usize {
    let (mut depth, mut at) = (0, 0);
    while let Some(next) = text[at..].chars().next() {
        if text[at..].starts_with("/*") {
            at += text[at..].find("*/").unwrap() + 2;
            continue;
        }
        match next {
            '{' | '(' => depth += 1,
            '}' | ')' => depth -= 1,
            _ if next == end && depth == 0 => break,
            _ => {}
        }
        at += next.len_utf8();
    }
    at
}

/// A comment as text.
fn cleaned(comment: &str) -> String {
    let lines = comment.trim_start_matches('*').lines();
    let lines: Vec<&str> = lines.map(|line| line.trim().trim_start_matches("* ")).collect();
    lines.join("\n").replace("\n*\n", "\n\n").trim().to_string()
}

/// The type and the name of a parameter.
fn typed(code: &str) -> (String, String) {
    let code = code.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((result, rest)) = code.split_once("(*") {
        let (name, parameters) = rest.split_once(')').unwrap();
        return (format!("{}(*){parameters}", result), name.to_string());
    }
    let at = code.rfind([' ', '*']).unwrap() + 1;
    (code[..at].trim().to_string(), code[at..].to_string())
}

fn parameters(list: &str) -> Vec<Value> {
    let list = list.trim().trim_end_matches(')');
    let mut all = Vec::new();
    let mut rest = list;
    while !rest.trim().is_empty() && rest.trim() != "void" {
        let end = length(rest, ',');
        let (kind, name) = typed(&rest[..end]);
        all.push(json!({ "name": name, "type": kind }));
        rest = rest[end..].trim_start_matches(',');
    }
    all
}

/// The value of a constant: a number, or a product of numbers.
fn value(text: &str) -> u64 {
    let factors = text.split('*').map(|it| it.trim().trim_matches(['(', ')', ' ']));
    factors.map(|factor| factor.parse::<u64>().unwrap_or_else(|_| panic!("{text}"))).product()
}

/// The constants, in the order of the header.
fn constants(header: &str) -> Vec<(String, u64, String)> {
    let defined = declarations(header, ';').into_iter().filter_map(|it| {
        let (name, text) = it.code.strip_prefix("#define ")?.split_once(' ')?;
        Some((name.to_string(), value(text), it.doc))
    });
    defined.collect()
}

/// The content of `micromint-api.json`.
pub(crate) fn json(header: &str, version: &str) -> String {
    let (mut enums, mut handles) = (Vec::new(), Vec::new());
    let (mut callbacks, mut functions) = (Vec::new(), Vec::new());
    for Declared { doc, code } in declarations(header, ';') {
        let word =
            |start: &str| code.strip_prefix(start).and_then(|it| it.split_whitespace().next());
        let inner = || &code[code.find('{').unwrap() + 1..code.rfind('}').unwrap()];
        if let Some(name) = word("typedef enum ") {
            let members = declarations(inner(), ',').into_iter().filter(|it| it.code.contains('='));
            let members = members.map(|it| {
                let (name, value) = it.code.split_once('=').unwrap();
                let value: u32 = value.trim().parse().unwrap();
                json!({ "name": name.trim(), "value": value, "doc": it.doc })
            });
            enums
                .push(json!({ "name": name, "doc": doc, "constants": members.collect::<Value>() }));
        } else if let Some(name) = word("typedef struct ") {
            handles.push(json!({ "name": name, "doc": doc, "free": format!("{name}_free") }));
        } else if let Some(code) = code.strip_prefix("typedef ") {
            let (returns, rest) = code.split_once("(*").unwrap();
            let (name, list) = rest.split_once(")(").unwrap();
            let list = parameters(list);
            callbacks.push(
                json!({ "name": name, "doc": doc, "returns": returns.trim(), "parameters": list }),
            );
        } else if let Some((head, list)) = code.split_once('(')
            && !code.starts_with(['#', '}'])
            && !code.starts_with("extern")
        {
            let (returns, name) = typed(head);
            let list = parameters(list);
            functions
                .push(json!({ "name": name, "doc": doc, "returns": returns, "parameters": list }));
        }
    }
    let constants = constants(header).into_iter();
    let constants =
        constants.map(|(name, value, doc)| json!({ "name": name, "value": value, "doc": doc }));
    let api = json!({
        "version": version,
        "constants": constants.collect::<Value>(),
        "enums": enums,
        "handles": handles,
        "callbacks": callbacks,
        "functions": functions,
    });
    serde_json::to_string_pretty(&api).unwrap() + "\n"
}

/// The content of `micromint.ffi.h`: declarations alone, without comments, macros and includes.
pub(crate) fn ffi_header(header: &str) -> String {
    let constants = constants(header);
    let mut text = String::from("enum {\n");
    for (number, (name, value, _)) in constants.iter().enumerate() {
        let comma = if number + 1 < constants.len() { "," } else { "" };
        text += &format!("  {name} = {value}{comma}\n");
    }
    text += "};\n";
    for Declared { code, .. } in declarations(header, ';') {
        if code.starts_with(['#', '}']) || code.starts_with("extern") {
            continue;
        }
        let code = without_comments(code);
        text += &format!("\n{code};\n");
    }
    text
}

fn without_comments(code: &str) -> String {
    let mut text = String::new();
    for part in code.split("/*") {
        text += part.split_once("*/").map_or(part, |(_, after)| after);
    }
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines.join("\n")
}
