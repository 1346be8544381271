//! The committed header, what is made from it and the manual pages are generated from the source,
//! and document every function completely.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod api;
mod man;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::OnceLock;

/// The path of the crate, and those of the header and of the folder of the pages in it.
const CRATE: &str = env!("CARGO_MANIFEST_DIR");
const HEADER: &str = "../include/micromint.h";
const PAGES: &str = "man";

/// The files that are generated, by their paths in the crate.
/// `MICROMINT_WRITE_HEADER=1 cargo test -p micromint-ffi --test header` writes them.
fn generated() -> &'static BTreeMap<String, String> {
    static FILES: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    FILES.get_or_init(|| {
        let files = generate();
        if std::env::var_os("MICROMINT_WRITE_HEADER").is_some() {
            for page in committed_pages().iter().filter(|page| !files.contains_key(*page)) {
                std::fs::remove_file(Path::new(CRATE).join(page)).unwrap();
            }
            for (path, content) in &files {
                std::fs::write(Path::new(CRATE).join(path), content).unwrap();
            }
        }
        files
    })
}

fn generate() -> BTreeMap<String, String> {
    let config = cbindgen::Config::from_file(Path::new(CRATE).join("cbindgen.toml")).unwrap();
    let bindings =
        cbindgen::Builder::new().with_crate(CRATE).with_config(config).generate().unwrap();
    let mut header = Vec::new();
    bindings.write(&mut header);
    let header = finished(&String::from_utf8(header).unwrap());
    let api = api::json(&header, env!("CARGO_PKG_VERSION"));
    let pages = man::pages(&serde_json::from_str(&api).unwrap()).into_iter();
    let mut files: BTreeMap<String, String> =
        pages.map(|(name, page)| (format!("{PAGES}/{name}"), page)).collect();
    files.insert("../include/micromint.ffi.h".to_string(), api::ffi_header(&header));
    files.insert("../include/micromint-api.json".to_string(), api);
    files.insert(HEADER.to_string(), header);
    files
}

fn committed_pages() -> BTreeSet<String> {
    let files = std::fs::read_dir(Path::new(CRATE).join(PAGES)).unwrap();
    let name = |file: std::fs::DirEntry| file.file_name().into_string().unwrap();
    files.map(|file| format!("{PAGES}/{}", name(file.unwrap()))).collect()
}

/// The header, the files made from it for other languages, and the manual pages.
#[test]
fn all_files_are_generated_from_the_source() {
    for (path, fresh) in generated() {
        let committed = std::fs::read_to_string(Path::new(CRATE).join(path)).unwrap_or_default();
        assert!(
            committed == *fresh,
            "{path} is not what the source gives; write it with MICROMINT_WRITE_HEADER=1"
        );
    }
    let pages: BTreeSet<String> =
        generated().keys().filter(|path| path.starts_with(PAGES)).cloned().collect();
    assert_eq!(committed_pages(), pages);
}

/// Every function is explained on exactly one page.
#[test]
fn every_function_has_a_manual_page() {
    for Declared { name, .. } in declared(header()) {
        let heading = format!("\n.SS {name}()\n");
        let pages = generated().iter().filter(|(path, _)| path.starts_with(PAGES));
        assert_eq!(pages.filter(|(_, page)| page.contains(&heading)).count(), 1, "{name}");
    }
}

fn header() -> &'static str {
    &generated()[HEADER]
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

/// Both name every function and every constant of the header.
#[test]
fn nothing_is_missing_for_other_languages() {
    let (header, plain) = (header(), &generated()["../include/micromint.ffi.h"]);
    let api = &generated()["../include/micromint-api.json"];
    let api: serde_json::Value = serde_json::from_str(api).unwrap();
    let names = |list: &str| -> Vec<String> {
        let all = api[list].as_array().unwrap().iter();
        all.map(|it| it["name"].as_str().unwrap().to_string()).collect()
    };
    let declared: Vec<String> = declared(header).into_iter().map(|it| it.name).collect();
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
    let header = header();
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
    let functions = declared(header());
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
    let mut count = 0;
    for (comment, code) in header().split("/**").skip(1).filter_map(|part| part.split_once("*/")) {
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
