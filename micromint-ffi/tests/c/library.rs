//! Builds the library once, compiles C programs against it and runs them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const WARNINGS: [&str; 5] = ["-Wall", "-Wextra", "-pedantic", "-Werror", "-O1"];

/// How a program is linked with the library.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    Shared,
    Static,
    /// With `libother.a` in the folder of the program too.
    StaticWithOther,
}

#[derive(Clone, Copy)]
pub(crate) enum Compiler {
    C89,
    C99,
    Cpp,
}

impl Compiler {
    fn command(self) -> Command {
        let (program, standard): (&str, &[&str]) = match self {
            Compiler::C89 => ("cc", &["-std=c89", "-Wstrict-prototypes"]),
            Compiler::C99 => {
                ("cc", &["-std=c99", "-D_POSIX_C_SOURCE=200809L", "-Wstrict-prototypes"])
            }
            Compiler::Cpp => ("c++", &["-std=c++11", "-x", "c++"]),
        };
        let mut command = Command::new(program);
        command.args(standard).args(WARNINGS).arg("-I").arg(crate_path().join("../include"));
        command
    }

    /// Compiles without making anything.
    pub(crate) fn check_syntax(self, source: &Path) {
        output(self.command().arg("-fsyntax-only").arg(source));
    }
}

pub(crate) fn crate_path() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a command that must succeed, and returns its output.
pub(crate) fn output(command: &mut Command) -> String {
    let done = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        done.status.success(),
        "{command:?}: {}\n{}{}",
        done.status,
        text(&done.stdout),
        text(&done.stderr)
    );
    text(&done.stdout)
}

/// Compiles and runs `tests/c/NAME.c`.
pub(crate) fn run_program(name: &str, link: Link) {
    let folder = tempfile::tempdir().unwrap();
    run(&crate_path().join(format!("tests/c/{name}.c")), folder.path(), link, &[folder.path()]);
}

/// Compiles a program into `folder`, where it finds headers too, and runs it with arguments.
pub(crate) fn run(source: &Path, folder: &Path, link: Link, arguments: &[&Path]) {
    let program = compile(source, folder, link);
    output(command(&program).args(arguments));
}

/// As [`run`], for a program with forked children. In a child the copies of its parent's objects
/// stay until it ends (`src/process.rs`), which valgrind would call leaks. Those of the parent are
/// found when the program runs without valgrind.
pub(crate) fn run_forking(source: &Path, folder: &Path, link: Link, arguments: &[&Path]) {
    let program = compile(source, folder, link);
    let mut command = command_under(&["--leak-check=no"], &program);
    output(command.args(arguments));
}

/// Compiles a program into `folder`, where it finds headers too.
pub(crate) fn compile(source: &Path, folder: &Path, link: Link) -> PathBuf {
    let program = folder.join("program");
    let library = library_folder();
    let mut compile = Compiler::C99.command();
    compile.arg("-I").arg(folder).arg("-I").arg(crate_path().join("tests/c"));
    compile.arg("-o").arg(&program).arg(source);
    match link {
        Link::Shared => compile.arg("-L").arg(library).arg("-lmicromint"),
        Link::Static => compile.arg(library.join("libmicromint.a")),
        Link::StaticWithOther => {
            compile.arg(library.join("libmicromint.a")).arg(folder.join("libother.a"))
        }
    };
    if !is_valgrind() {
        // The library allocates with malloc too, so its misuse and leaks are detected as well.
        compile.args(["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g"]);
    }
    output(compile.args(["-lpthread", "-ldl", "-lm"]));
    program
}

/// A command that runs a compiled program, under valgrind if requested.
pub(crate) fn command(program: &Path) -> Command {
    let leaks = ["--leak-check=full", "--errors-for-leak-kinds=definite,indirect"];
    command_under(&leaks, program)
}

/// As [`command`], with valgrind's options about leaks.
fn command_under(leaks: &[&str], program: &Path) -> Command {
    let mut command = Command::new("timeout");
    if is_valgrind() {
        command.args(["600", "valgrind", "-q", "--error-exitcode=9", "--trace-children=no"]);
        command.args(leaks);
    } else {
        command.arg("300");
    }
    command.arg(program).env("LD_LIBRARY_PATH", library_folder());
    command
}

fn is_valgrind() -> bool {
    std::env::var_os("MICROMINT_C_VALGRIND").is_some()
}

/// The folder with `libmicromint.a` and `libmicromint.so`, built as `make install` builds them but
/// with the function that panics.
pub(crate) fn library_folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(build)
}

fn build() -> PathBuf {
    // One that was built already, with the feature test-panic.
    if let Some(folder) = std::env::var_os("MICROMINT_C_LIBRARY") {
        return folder.into();
    }
    let profile = std::env::var("MICROMINT_C_PROFILE").unwrap_or_else(|_| "dev".to_string());
    let name = if profile == "dev" { "debug" } else { &profile };
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let target = tmp.parent().expect("the folder of the build");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--lib", "--package", "micromint-ffi"]);
    cargo.args(["--features", "micromint-ffi/test-panic", "--profile", &profile]);
    if profile == "dev" {
        // The packages of scripts/install.sh, so that cargo chooses the same features of the
        // dependencies and builds the core once for this and for the installation of the tests.
        for package in ["coinmint", "mmvendor", "mmwallet"] {
            cargo.args(["--package", package]);
        }
    }
    cargo.arg("--target-dir").arg(target).current_dir(crate_path());
    // Cargo sets these for this test. Build scripts that read them would run again.
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"].iter().any(|it| name.starts_with(it)) {
            cargo.env_remove(&*name);
        }
    }
    output(&mut cargo);
    // Moved to a folder of its own, so that the library of the tests is never taken for the one to
    // ship.
    let folder = tmp.join("c").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let library = "libmicromint.a";
    std::fs::rename(target.join(name).join(library), folder.join(library)).unwrap();
    output(Command::new(crate_path().join("../scripts/link-c.sh")).arg(&folder));
    folder
}
