//! The manual pages of the library, from the same description as `micromint-api.json`: one page for
//! each type, with the functions that belong to it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

/// Functions that do not begin with the name of the type they belong to, or belong to none: the
/// start of their names, and their page.
const ELSEWHERE: [(&str, &str); 11] = [
    ("micromint_status_name", "micromint_error"),
    ("micromint_version", "micromint_version"),
    ("micromint_hash", "micromint_params"),
    ("micromint_user_vector", "micromint_params"),
    ("micromint_vendor_vector", "micromint_params"),
    ("micromint_authenticate_", "micromint_key"),
    ("micromint_user_", "micromint_key"),
    ("micromint_vendor_key", "micromint_key"),
    ("micromint_secret_", "micromint_key"),
    ("micromint_payment_receipt_check", "micromint_challenge"),
    ("micromint_price_parse", "micromint_paywall"),
];

/// Pages without a type: their names and what they are about.
const TOPICS: [(&str, &str); 2] = [
    ("micromint_key", "Keys, owner tokens, and the authenticators of messages."),
    ("micromint_version", "The version of the library that is loaded."),
];

/// What the overview says before the list of pages.
const OVERVIEW: &str = "The library mints coins, checks them, holds a wallet, asks for payments and \
     redeems them. Each page describes a type with its functions.

     Every type is opaque. Free each object with the function named in its page; it accepts NULL.

     A function that can fail returns `micromint_status`, and MICROMINT_OK is 0. Its outputs, whose \
     names end in `_out`, are written only then. Its last parameter, `error_out`, may be NULL; \
     otherwise a failed call stores an error there (`micromint_error`). A required pointer that is \
     NULL gives MICROMINT_ERROR_NULL.

     Texts and bytes are a pointer and a length, without a final NUL. What an object lends is valid \
     until the object is freed. Setters copy what they are given and return nothing: an invalid value \
     is reported by the function that the object is passed to.";

/// The pages: file names and contents.
pub(crate) fn pages(api: &Value) -> BTreeMap<String, String> {
    let list = |name: &str| api[name].as_array().unwrap().iter();
    let mut about: BTreeMap<&str, &str> =
        list("handles").map(|it| (text(it, "name"), text(it, "doc"))).collect();
    about.extend(TOPICS);
    let mut grouped: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for function in list("functions") {
        grouped.entry(page_of(text(function, "name"), &about)).or_default().push(function);
    }
    assert_eq!(grouped.len(), about.len(), "a page without functions");
    let version = text(api, "version");
    let mut made = BTreeMap::new();
    for (name, functions) in &grouped {
        let types: Vec<&Value> = list("enums")
            .chain(list("callbacks"))
            .filter(|it| uses(functions, text(it, "name"), name))
            .collect();
        let page = page(name, about[name], functions, &types, version);
        made.insert(format!("{name}.3"), page);
    }
    made.insert("micromint.3".to_string(), overview(&about, version));
    made
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

/// The page of a function: that of the longest type at the start of its name.
fn page_of<'a>(function: &str, about: &BTreeMap<&'a str, &str>) -> &'a str {
    let elsewhere = ELSEWHERE.iter().find(|(start, _)| function.starts_with(start));
    let matching = |it: &&&str| {
        elsewhere.map_or_else(
            || function.strip_prefix(**it).is_some_and(|rest| rest.starts_with('_')),
            |(_, page)| *page == **it,
        )
    };
    let longest = about.keys().filter(matching).max_by_key(|it| it.len());
    longest.unwrap_or_else(|| panic!("{function} has no page"))
}

/// Whether a page explains an enum or a callback: its functions take or return it. Statuses are on
/// the page about errors alone.
fn uses(functions: &[&Value], name: &str, page: &str) -> bool {
    if name == "micromint_status" {
        return page == "micromint_error";
    }
    let is = |kind: &str| kind.split([' ', '*']).any(|word| word == name);
    functions.iter().any(|it| {
        is(text(it, "returns"))
            || it["parameters"].as_array().unwrap().iter().any(|it| is(text(it, "type")))
    }) || (name == "micromint_mint_stage" && page == "micromint_mint")
        || (name == "micromint_log_level" && page == "micromint_host")
}

fn head(name: &str, names: &[&str], summary: &str, version: &str) -> String {
    let upper = name.to_uppercase();
    let summary = summary.trim_end_matches('.');
    let summary = match summary.split_once(' ') {
        Some((first @ ("The" | "A" | "An" | "What" | "Checks" | "Bytes"), rest)) => {
            format!("{} {rest}", first.to_lowercase())
        }
        _ => summary.to_string(),
    };
    format!(
        ".\\\" Generated from include/micromint.h by micromint-ffi/tests/header.\n\
         .TH {upper} 3 \"\" \"MicroMint {version}\" \"MicroMint library\"\n.nh\n.ad l\n.SH NAME\n{} \\- {}\n",
        names.join(",\n"),
        escaped(&summary)
    )
}

fn page(name: &str, doc: &str, functions: &[&Value], types: &[&Value], version: &str) -> String {
    // The page of the version has the name of a function.
    let others = functions.iter().map(|it| text(it, "name")).filter(|it| *it != name);
    let names: Vec<&str> = std::iter::once(name).chain(others).collect();
    let mut page = head(name, &names, first_sentence(doc), version);
    page += ".SH LIBRARY\nMicroMint (libmicromint, \\-lmicromint)\n.SH SYNOPSIS\n.nf\n";
    page += ".B #include <micromint.h>\n";
    for function in functions {
        page += ".PP\n";
        for line in declaration(function) {
            let _ = writeln!(page, "\\fB{}\\fP", escaped(&line));
        }
    }
    page += ".fi\n.SH DESCRIPTION\n";
    page += &prose(doc);
    for function in functions {
        let _ = writeln!(page, ".SS {}()", text(function, "name"));
        page += &prose(text(function, "doc"));
    }
    if !types.is_empty() {
        page += ".SH TYPES\n";
    }
    for it in types {
        let _ = writeln!(page, ".SS {}", text(it, "name"));
        page += &prose(text(it, "doc"));
        for constant in it["constants"].as_array().into_iter().flatten() {
            let _ = writeln!(page, ".TP\n.B {} = {}", text(constant, "name"), constant["value"]);
            page += &joined(text(constant, "doc"));
        }
        if it.get("parameters").is_some() {
            page += ".PP\n.nf\n";
            for line in declaration(it) {
                let _ = writeln!(page, "\\fB{}\\fP", escaped(&line));
            }
            page += ".fi\n";
        }
    }
    page +=
        ".SH SEE ALSO\n.BR micromint (3)\n.PP\nshare/doc/micromint/reference/c\\-conventions.md\n";
    page
}

fn overview(about: &BTreeMap<&str, &str>, version: &str) -> String {
    let summary = "the C library of MicroMint: micropayments whose coins are hash collisions";
    let mut page = head("micromint", &["micromint"], summary, version);
    page += ".SH LIBRARY\nMicroMint (libmicromint, \\-lmicromint)\n.SH SYNOPSIS\n.nf\n\
             .B #include <micromint.h>\n.PP\n\
             .B cc program.c $(pkg\\-config \\-\\-cflags \\-\\-libs micromint)\n.fi\n.SH DESCRIPTION\n";
    page += &prose(OVERVIEW);
    page += ".SH PAGES\n";
    for (name, doc) in about {
        let _ = write!(page, ".TP\n.BR {name} (3)\n{}", joined(first_sentence(doc)));
    }
    page += ".SH SEE ALSO\n.BR coinmint (1),\n.BR mmbroker (1),\n.BR mmvendor (1),\n\
             .BR mmwallet (1)\n.PP\nshare/doc/micromint/reference/c\\-conventions.md\n";
    page
}

fn first_sentence(doc: &str) -> &str {
    let end = doc.find(". ").or_else(|| doc.find(".\n")).unwrap_or(doc.len());
    doc[..end].trim_end_matches('.')
}

/// A declaration, in lines that fit a terminal.
fn declaration(function: &Value) -> Vec<String> {
    let glued = |kind: &str, name: &str| match kind.ends_with('*') {
        true => format!("{kind}{name}"),
        false => format!("{kind} {name}"),
    };
    let parameters = function["parameters"].as_array().unwrap().iter();
    let mut parameters: Vec<String> =
        parameters.map(|it| glued(text(it, "type"), text(it, "name"))).collect();
    if parameters.is_empty() {
        parameters.push("void".to_string());
    }
    let mut lines = vec![glued(text(function, "returns"), text(function, "name")) + "("];
    let last = parameters.len() - 1;
    for (number, parameter) in parameters.into_iter().enumerate() {
        let piece = parameter + if number == last { ");" } else { "," };
        let line = lines.last_mut().unwrap();
        if number > 0 && line.len() + 1 + piece.len() > 72 {
            lines.push(format!("    {piece}"));
        } else {
            *line += if number == 0 { "" } else { " " };
            *line += &piece;
        }
    }
    lines
}

/// Paragraphs, and lists of parameters: `name, name_len: what it is`.
fn prose(doc: &str) -> String {
    let mut made = String::new();
    for paragraph in doc.split("\n\n") {
        let mut rest = Vec::new();
        let mut items: Vec<(String, String)> = Vec::new();
        for line in paragraph.lines().map(str::trim_end) {
            match (parameters(line), items.last_mut()) {
                (Some((names, what)), _) => items.push((names.to_string(), what.to_string())),
                (None, Some((_, what))) => *what += &format!(" {}", line.trim()),
                (None, None) => rest.push(line.trim()),
            }
        }
        let rest = joined(&rest.join(" "));
        if !made.is_empty() && !rest.is_empty() {
            made += ".PP\n";
        }
        made += &rest;
        for (names, what) in items {
            let _ = write!(made, ".TP\n.I {}\n{}", escaped(&names), joined(&what));
        }
    }
    made
}

/// The names and the explanation of a line that begins a parameter.
fn parameters(line: &str) -> Option<(&str, &str)> {
    let (names, what) = line.split_once(": ")?;
    let is_name = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|it| it.is_ascii_lowercase() || it == b'_' || it == b'-')
    };
    names.split(", ").all(is_name).then(|| (names, what.trim_start()))
}

/// One line of text, with the names in bold.
fn joined(words: &str) -> String {
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.is_empty() {
        return String::new();
    }
    let mut made = String::new();
    for (number, piece) in escaped(&words).split('`').enumerate() {
        match number % 2 {
            0 => made += piece,
            _ => made += &format!("\\fB{piece}\\fP"),
        }
    }
    made + "\n"
}

/// A text in which nothing is an instruction. Every character is ASCII.
fn escaped(words: &str) -> String {
    assert!(words.is_ascii(), "{words}");
    let words = words.replace('\\', "\\e").replace('-', "\\-");
    if words.starts_with(['.', '\'']) { format!("\\&{words}") } else { words }
}
