//! Makes a C program that calls every function of the header with NULL for each pointer in turn.

use std::fmt::Write as _;

/// The functions for which NULL has a meaning, according to the header.
const OPTIONAL: [(&str, &str); 19] = [
    ("micromint_checker_check", "first_bins_out"),
    ("micromint_paywall_open", "host"),
    ("micromint_paywall_prepare", "host"),
    ("micromint_broker_open", "host"),
    ("micromint_mint_run", "userdata"),
    ("micromint_mint_run", "progress"),
    ("micromint_mint_run_shard", "userdata"),
    ("micromint_mint_run_shard", "progress"),
    ("micromint_mint_merge", "userdata"),
    ("micromint_mint_merge", "progress"),
    ("micromint_mint_merge_part", "userdata"),
    ("micromint_mint_merge_part", "progress"),
    ("micromint_mint_verify", "userdata"),
    ("micromint_mint_verify", "progress"),
    ("micromint_mint_init", "host"),
    ("micromint_secret_create", "host"),
    ("micromint_till_open", "host"),
    ("micromint_wallet_open", "host"),
    ("micromint_wallet_restore", "host"),
];

/// A function that the header declares.
pub(crate) struct Function {
    pub(crate) name: String,
    /// Types and names.
    parameters: Vec<(String, String)>,
}

/// What the header declares.
pub(crate) fn functions(header: &str) -> Vec<Function> {
    let mut text = String::new();
    for part in header.split("/*") {
        text.push_str(part.split_once("*/").map_or(part, |(_, after)| after));
    }
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let text = lines.join(" ").replace("extern \"C\" {", "");
    text.split(';').filter_map(parse).collect()
}

fn parse(statement: &str) -> Option<Function> {
    let (head, rest) = statement.split_once('(')?;
    let at = head.rfind([' ', '*'])? + 1;
    let name = head[at..].trim();
    if !name.starts_with("micromint_") || statement.contains('{') || statement.contains('}') {
        return None;
    }
    let parameters =
        rest.trim().trim_end_matches(')').split(',').map(str::trim).filter(|p| *p != "void");
    let parameters = parameters.map(|parameter| {
        let at = parameter.rfind([' ', '*']).unwrap() + 1;
        (parameter[..at].trim().to_string(), parameter[at..].to_string())
    });
    Some(Function { name: name.to_string(), parameters: parameters.collect() })
}

impl Function {
    /// A call with valid arguments but NULL for the one named `null`, or for all if that is empty.
    fn call(&self, null: &str, error: &str) -> String {
        let arguments = self.parameters.iter().map(|(kind, name)| {
            if name == "error_out" {
                return error.to_string();
            }
            let is_pointer = kind.contains('*');
            if is_pointer && (null.is_empty() || name == null) {
                "NULL".to_string()
            } else {
                good(kind, name)
            }
        });
        format!("{}({})", self.name, arguments.collect::<Vec<_>>().join(", "))
    }
}

/// A valid argument of this type.
fn good(kind: &str, name: &str) -> String {
    let target = kind.trim_end_matches('*').trim();
    let plain = target.trim_start_matches("const ").trim();
    match () {
        // Outputs: large enough for every type, and never written to here.
        () if name == "progress" || name == "userdata" => "NULL".to_string(),
        () if name.ends_with("_out") => "(void *)room".to_string(),
        () if !kind.contains('*') => "1".to_string(),
        () if plain == "uint8_t" => "(const uint8_t *)\"x\"".to_string(),
        () if plain == "uint64_t" => "GOOD_COIN".to_string(),
        () => format!("h_{plain}"),
    }
}

/// The program.
pub(crate) fn program(header: &str) -> String {
    let functions = functions(header);
    assert!(functions.len() > 20, "the header was not understood");
    let mut calls = String::new();
    for function in &functions {
        if !function.parameters.iter().any(|(_, name)| name == "error_out") {
            let _ = writeln!(calls, "  {};", function.call("", "NULL"));
            continue;
        }
        for (kind, name) in &function.parameters {
            let is_optional = OPTIONAL.contains(&(function.name.as_str(), name.as_str()));
            if !kind.contains('*') || name == "error_out" || is_optional {
                continue;
            }
            let _ = writeln!(
                calls,
                "  CHECK({} == MICROMINT_ERROR_NULL);",
                function.call(name, "NULL")
            );
            let _ = writeln!(
                calls,
                "  CHECK({} == MICROMINT_ERROR_NULL);",
                function.call(name, "&error")
            );
            let _ =
                writeln!(calls, "  CHECK(says(error, MICROMINT_ERROR_NULL, \"{name} is NULL\"));");
            let _ = writeln!(calls, "  CHECK(memcmp(room, zeros, sizeof room) == 0);");
        }
    }
    format!(
        "#include \"handles.h\"\n\nstatic uint64_t room[64], zeros[64];\n\n\
         int main(int argc, char **argv) {{\n  micromint_error *error = NULL;\n  CHECK(argc == 2);\n  make_handles(argv[1]);\n{calls}  free_handles();\n  return 0;\n}}\n"
    )
}
