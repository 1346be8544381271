//! The committed header is generated from the source, and documents every function completely.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod api;
mod man;

use std::collections::BTreeSet;
use std::path::Path;

/// Compares `include/micromint.h` with a fresh one.
/// `MICROMINT_WRITE_HEADER=1 cargo test -p micromint-ffi` writes it.
#[test]
fn header_is_generated_from_the_source() {
    let crate_path = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(crate_path.join("cbindgen.toml")).unwrap();
    let bindings =
        cbindgen::Builder::new().with_crate(crate_path).with_config(config).generate().unwrap();
    let mut fresh = Vec::new();
    bindings.write(&mut fresh);
    let fresh = finished(&String::from_utf8(fresh).unwrap());
    let path = crate_path.join("../include/micromint.h");
    if std::env::var_os("MICROMINT_WRITE_HEADER").is_some() {
        std::fs::write(&path, &fresh).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == fresh,
        "include/micromint.h is not what the source gives; write it with MICROMINT_WRITE_HEADER=1"
    );
}

/// What cbindgen made, as C89 and with a tag for each enum.
fn finished(made: &str) -> String {
    // No comma after the last constant, and no comments that begin with slashes.
    let text = made.replace(",\n}", "\n}");
    let text = text.replace("// __cplusplus", "/* __cplusplus */");
    let text = text.replace("// extern \"C\"", "/* extern \"C\" */");
    let mut tagged = String::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find("typedef enum {") {
        let (before, from) = rest.split_at(at);
        let (head, body) = from.split_at(from.find('{').unwrap());
        let (_, end) = body.split_once("\n} ").unwrap();
        let name = end.split(';').next().unwrap();
        tagged += &format!("{before}{head}{name} ");
        rest = body;
    }
    tagged + rest
}

/// Compares `include/micromint-api.json` and `include/micromint.ffi.h` with what the header says.
/// `MICROMINT_WRITE_HEADER=1` writes them.
#[test]
fn what_other_languages_read_is_generated_from_the_header() {
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("../include");
    let header = std::fs::read_to_string(include.join("micromint.h")).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    for (name, fresh) in [
        ("micromint-api.json", api::json(&header, version)),
        ("micromint.ffi.h", api::ffi_header(&header)),
    ] {
        let path = include.join(name);
        if std::env::var_os("MICROMINT_WRITE_HEADER").is_some() {
            std::fs::write(&path, &fresh).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == fresh, "include/{name}: write it with MICROMINT_WRITE_HEADER=1");
    }
}

/// Compares the manual pages in `micromint-ffi/man/` with what the header says.
/// `MICROMINT_WRITE_HEADER=1` writes them.
#[test]
fn manual_pages_are_generated_from_the_header() {
    let crate_path = Path::new(env!("CARGO_MANIFEST_DIR"));
    let header = std::fs::read_to_string(crate_path.join("../include/micromint.h")).unwrap();
    let api = api::json(&header, env!("CARGO_PKG_VERSION"));
    let pages = man::pages(&serde_json::from_str(&api).unwrap());
    let folder = crate_path.join("man");
    let names = || -> BTreeSet<String> {
        let files = std::fs::read_dir(&folder).unwrap();
        files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
    };
    if std::env::var_os("MICROMINT_WRITE_HEADER").is_some() {
        for name in names().iter().filter(|name| !pages.contains_key(*name)) {
            std::fs::remove_file(folder.join(name)).unwrap();
        }
        for (name, page) in &pages {
            std::fs::write(folder.join(name), page).unwrap();
        }
    }
    assert!(names().iter().eq(pages.keys()), "other pages than those of the header");
    for (name, page) in &pages {
        let committed = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(committed == *page, "man/{name}: write it with MICROMINT_WRITE_HEADER=1");
    }
    // Every function has its page.
    for Declared { name, .. } in declared(&header) {
        let heading = format!("\n.SS {name}()\n");
        assert_eq!(pages.values().filter(|page| page.contains(&heading)).count(), 1, "{name}");
    }
}

/// Both name every function and every constant of the header.
#[test]
fn nothing_is_missing_for_other_languages() {
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("../include");
    let read = |name: &str| std::fs::read_to_string(include.join(name)).unwrap();
    let (header, plain) = (read("micromint.h"), read("micromint.ffi.h"));
    let api: serde_json::Value = serde_json::from_str(&read("micromint-api.json")).unwrap();
    let names = |list: &str| -> Vec<String> {
        let all = api[list].as_array().unwrap().iter();
        all.map(|it| it["name"].as_str().unwrap().to_string()).collect()
    };
    let declared: Vec<String> = declared(&header).into_iter().map(|it| it.name).collect();
    assert_eq!(names("functions"), declared);
    assert_eq!(names("handles").len(), header.matches("typedef struct micromint_").count());
    for name in declared.iter().chain(&names("constants")).chain(&names("handles")) {
        assert!(plain.contains(name), "{name}");
    }
    assert!(!plain.contains(['#']) && !plain.contains("/*"));
}

/// No program lays out a struct of the library, so that all of them can grow: the header shows no
/// member of a type, and no type but numbers and pointers is passed by value.
#[test]
fn no_struct_has_members() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../include/micromint.h");
    let header = std::fs::read_to_string(path).unwrap();
    for keyword in ["struct {", "union"] {
        assert!(!header.contains(keyword), "{keyword}");
    }
    for line in header.lines().filter(|line| line.contains("struct ")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_opaque = matches!(
            words.as_slice(),
            ["typedef", "struct", tag, name] if *name == format!("{tag};")
        );
        assert!(is_opaque || line.starts_with([' ', '/']), "{line}");
    }
}

/// A function of the header and the comment before it.
struct Declared {
    comment: String,
    name: String,
    parameters: Vec<String>,
    gives_status: bool,
}

/// The text between a comment and a semicolon that contains parentheses.
fn declared(header: &str) -> Vec<Declared> {
    let parts = header.split("/**").skip(1).filter_map(|part| part.split_once("*/"));
    parts
        .filter_map(|(comment, code)| {
            let (head, rest) = code.split_once(';')?.0.split_once('(')?;
            let last_word =
                |text: &str| text.rsplit([' ', '*', '\n']).next().unwrap_or_default().to_string();
            let name = last_word(head);
            let parameters = rest.trim_end_matches(')').split(',').map(last_word);
            (name.starts_with("micromint_") && !head.contains(['{', '}'])).then(|| Declared {
                comment: comment.to_string(),
                gives_status: head.trim_start().starts_with("micromint_status"),
                parameters: parameters.filter(|name| name != "void").collect(),
                name,
            })
        })
        .collect()
}

/// The comment names every parameter (except the function's own object and `error_out`, which the
/// conventions describe), and the errors of functions that return a status.
#[test]
fn every_function_is_documented() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../include/micromint.h");
    let header = std::fs::read_to_string(path).unwrap();
    let functions = declared(&header);
    assert!(functions.len() > 90, "only {} functions were found", functions.len());
    let mut missing = Vec::new();
    for Declared { comment, name, parameters, gives_status } in &functions {
        let words: Vec<&str> =
            comment.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
        for (number, parameter) in parameters.iter().enumerate() {
            let is_object = number == 0 && name.starts_with(&format!("micromint_{parameter}"));
            if parameter != "error_out" && !is_object && !words.contains(&parameter.as_str()) {
                missing.push(format!("{name}: {parameter}"));
            }
        }
        if *gives_status && name != "micromint_error_status" && !comment.contains("Errors: ") {
            missing.push(format!("{name}: Errors"));
        }
    }
    assert!(missing.is_empty(), "not in the comments: {missing:#?}");
}

/// The comment of an opaque type says how to free it, and how it behaves with threads and forks.
#[test]
fn every_handle_is_documented() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../include/micromint.h");
    let header = std::fs::read_to_string(path).unwrap();
    let mut count = 0;
    for (comment, code) in header.split("/**").skip(1).filter_map(|part| part.split_once("*/")) {
        let Some(name) =
            code.trim_start().strip_prefix("typedef struct ").and_then(|it| it.split_once(' '))
        else {
            continue;
        };
        count += 1;
        let (name, comment) = (name.0, comment.replace("\n *", ""));
        assert!(comment.contains(&format!("`{name}_free()`")), "{name} does not say who frees it");
        assert!(comment.contains("thread"), "{name} does not say what threads may do");
        assert!(comment.contains("fork"), "{name} does not say what a fork may do");
    }
    assert!(count >= 25, "only {count} handles were found");
}
