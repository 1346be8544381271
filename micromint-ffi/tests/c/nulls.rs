//! Makes C programs from the header that call every function: with NULL for each pointer in turn,
//! with numbers out of range, in a process that was forked later, and for what it lends.

use std::fmt::Write as _;

/// The functions for which NULL has a meaning, according to the header.
const OPTIONAL: [(&str, &str); 19] = [
    ("micromint_decision_head", "fields"),
    ("micromint_checker_check", "first_bins_out"),
    ("micromint_paywall_open", "host"),
    ("micromint_paywall_prepare", "host"),
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

/// The types of callbacks, which may be NULL.
const CALLBACKS: [&str; 3] = ["micromint_now", "micromint_random", "micromint_log"];

/// The functions that use what setters filled: type, call with the object `it`.
const USES: [(&str, &str); 4] = [
    (
        "micromint_request",
        "micromint_paywall_decide(h_micromint_paywall, it, (void *)room, &error)",
    ),
    (
        "micromint_fields",
        "micromint_decision_head(h_micromint_decision, 200, false, it, (void *)room, &error)",
    ),
    (
        "micromint_policy",
        "micromint_wallet_pay(h_micromint_wallet, NULL, 0, NULL, 0, NULL, 0, NULL, 0, it, (void *)room, (void *)room, (void *)room, &error)",
    ),
    ("micromint_period_options", "micromint_mint_init(NULL, 0, it, NULL, &error)"),
];

/// The numbers of setters that may be anything: times.
const TIMES: [&str; 3] = ["last_modified", "start", "expiration"];

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
        () if CALLBACKS.contains(&kind) => "NULL".to_string(),
        () if name.ends_with("_out") => "(void *)room".to_string(),
        () if !kind.contains('*') => "1".to_string(),
        () if plain == "uint8_t" => "(const uint8_t *)\"x\"".to_string(),
        () if plain == "uint64_t" => "GOOD_COIN".to_string(),
        () => format!("h_{plain}"),
    }
}

impl Function {
    /// The type that it fills, if it is a setter: how its values are used.
    fn fills(&self) -> Option<(&'static str, &'static str)> {
        let (kind, _) = self.parameters.first()?;
        let (name, using) = USES.into_iter().find(|(name, _)| *kind == format!("{name} *"))?;
        let rest = self.name.strip_prefix(name)?;
        (rest.starts_with("_set_") || rest.starts_with("_add")).then_some((name, using))
    }

    /// Statements that give a setter bytes at NULL and numbers out of range, and check that the
    /// function that uses the object says so.
    fn misfilled(&self) -> (usize, String) {
        let Some((kind, using)) = self.fills() else { return (0, String::new()) };
        let (mut count, mut text) = (0, String::new());
        let mut check = |null: &str, number: &str, status: &str, says: &str| {
            let arguments = self.parameters[1..].iter().map(|(kind, name)| match kind.as_str() {
                _ if name == null => "NULL".to_string(),
                "int64_t" => number.to_string(),
                "bool" => "true".to_string(),
                kind => good(kind, name),
            });
            let arguments = arguments.collect::<Vec<_>>().join(", ");
            let _ = writeln!(
                text,
                "  {{\n    {kind} *it = {kind}_new();\n    {}(it, {arguments});\n    \
                 CHECK({using} == {status});\n    CHECK(says(error, {status}, \"{says}\"));\n    \
                 CHECK(memcmp(room, zeros, sizeof room) == 0);\n    {kind}_free(it);\n  }}",
                self.name
            );
            count += 1;
        };
        for (kind, name) in &self.parameters[1..] {
            match kind.as_str() {
                "const uint8_t *" => check(name, "1", "MICROMINT_ERROR_NULL", " is NULL"),
                "int64_t" if !TIMES.contains(&name.as_str()) => {
                    check("", "INT64_MIN", "MICROMINT_ERROR_ARGUMENT", "expected a number of 0 to");
                    check("", "-1", "MICROMINT_ERROR_ARGUMENT", "found -1");
                    if name != "size" {
                        let past = "(int64_t)1 << 32";
                        check("", past, "MICROMINT_ERROR_ARGUMENT", "found 4294967296");
                    }
                }
                _ => {}
            }
        }
        (count, text)
    }
}

/// The program.
pub(crate) fn program(header: &str) -> String {
    let functions = functions(header);
    assert!(functions.len() > 20, "the header was not understood");
    let (mut calls, mut misfilled) = (String::new(), 0);
    for function in &functions {
        let (count, text) = function.misfilled();
        misfilled += count;
        calls += &text;
        if !function.parameters.iter().any(|(_, name)| name == "error_out") {
            let call = function.call("", "NULL");
            let _ = match function.name.strip_suffix("_new") {
                Some(kind) => writeln!(calls, "  {kind}_free({call});"),
                None => writeln!(calls, "  {call};"),
            };
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
    assert!(misfilled >= 30, "only {misfilled} invalid values");
    format!(
        "#include \"handles.h\"\n#include \"paid.h\"\n\nstatic uint64_t room[64], zeros[64];\n\n\
         int main(int argc, char **argv) {{\n  micromint_error *error = NULL;\n  CHECK(argc == 2);\n  make_handles(argv[1]);\n  make_batch(PAID_TARGET, PAID_HEADER);\n  (void)PAID_BODY;\n{calls}  free_handles();\n  return 0;\n}}\n"
    )
}

/// The types that serve only the process that opened them. A paywall opens its till again instead.
const OF_ONE_PROCESS: [&str; 2] = ["micromint_till", "micromint_wallet"];

impl Function {
    /// The type of its first parameter, if that is a handle of one process.
    fn handle(&self) -> Option<&'static str> {
        let (kind, _) = self.parameters.first()?;
        let plain = kind.trim_start_matches("const ").trim_end_matches('*').trim();
        OF_ONE_PROCESS.into_iter().find(|name| *name == plain)
    }

    fn can_fail(&self) -> bool {
        self.parameters.iter().any(|(_, name)| name == "error_out")
    }

    /// Whether it lends texts or bytes.
    fn lends(&self) -> bool {
        self.parameters.iter().any(|(kind, _)| is_lent(kind))
    }
}

fn is_lent(kind: &str) -> bool {
    kind.replace(' ', "") == "constuint8_t**"
}

/// A program whose child calls every function with a handle that its parent opened.
pub(crate) fn forked_program(header: &str) -> String {
    let functions = functions(header);
    let mut calls = String::new();
    for name in OF_ONE_PROCESS {
        let its: Vec<&Function> =
            functions.iter().filter(|it| it.handle() == Some(name) && it.can_fail()).collect();
        assert!(its.len() >= 5, "{name} has {} functions", its.len());
        for function in its {
            let call = function.call("no parameter", "&error");
            let _ = writeln!(calls, "  CHECK({call} == MICROMINT_ERROR_STATE);");
            let _ = writeln!(
                calls,
                "  CHECK(says(error, MICROMINT_ERROR_STATE, \"opened in another process\"));"
            );
            let _ = writeln!(calls, "  CHECK(memcmp(room, zeros, sizeof room) == 0);");
        }
    }
    format!(
        "#define _POSIX_C_SOURCE 200809L\n#include \"handles.h\"\n#include <sys/wait.h>\n\
         #include <unistd.h>\n\nstatic uint64_t room[64], zeros[64];\n\n\
         static void child(void) {{\n  micromint_error *error = NULL;\n{calls}  free_handles();\n}}\n\n\
         int main(int argc, char **argv) {{\n  int state = 1;\n  pid_t it;\n  CHECK(argc == 2);\n  \
         make_handles(argv[1]);\n  it = fork();\n  CHECK(it >= 0);\n  \
         if (it == 0) {{\n    child();\n    _exit(0);\n  }}\n  \
         CHECK(waitpid(it, &state, 0) == it && WIFEXITED(state) && WEXITSTATUS(state) == 0);\n  \
         free_handles();\n  return 0;\n}}\n"
    )
}

/// A part of tests/c/lending.c: it calls every function that lends texts or bytes, and reads what
/// it lends.
pub(crate) fn lending_calls(header: &str) -> String {
    let functions = functions(header);
    let lending: Vec<&Function> = functions.iter().filter(|it| it.lends()).collect();
    assert!(lending.len() >= 15, "only {} functions lend", lending.len());
    let mut calls = String::new();
    for function in lending {
        // As many places as it lends pieces.
        let mut lent = Vec::new();
        let arguments = function.parameters.iter().map(|(kind, name)| match name.as_str() {
            "error_out" => "NULL".to_string(),
            // The first piece of a list.
            "index" => "0".to_string(),
            name if is_lent(kind) => {
                lent.push(name.trim_end_matches("_out").to_string());
                format!("&data[{}]", lent.len() - 1)
            }
            name if lent.iter().any(|it| name == format!("{it}_len_out")) => {
                format!("&len[{}]", lent.len() - 1)
            }
            name => good(kind, name),
        });
        let call = format!("{}({})", function.name, arguments.collect::<Vec<_>>().join(", "));
        let (name, count) = (&function.name, lent.len());
        match function.can_fail() {
            true => {
                let _ =
                    writeln!(calls, "  if ({call} == MICROMINT_OK) is_lent(\"{name}\", {count});");
            }
            false => {
                let _ = writeln!(calls, "  {call};\n  is_lent(\"{name}\", {count});");
            }
        }
    }
    format!("static void all(void) {{\n{calls}}}\n")
}
