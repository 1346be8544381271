//! C programs against the built library: each proves one rule of `docs/reference/c-conventions.md`.
//!
//! They run under AddressSanitizer. The shipped profile and valgrind take longer, so `make test-c`
//! requests them:
//! `MICROMINT_C_PROFILE=release MICROMINT_C_VALGRIND=1 cargo test -p micromint-ffi --test c`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod broker;
mod cases;
mod library;
mod nulls;
mod payments;
mod vectors;

use library::{Compiler, Link, crate_path, run_program};

/// Compiles and runs `tests/c/NAME.c` with the folder of a vendor and a mint.
fn run_in_world(name: &str, link: Link) {
    let folder = tempfile::tempdir().unwrap();
    payments::write_world(folder.path());
    let program = crate_path().join(format!("tests/c/{name}.c"));
    library::run(&program, folder.path(), link, &[folder.path()]);
}

fn header() -> String {
    std::fs::read_to_string(crate_path().join("../include/micromint.h")).unwrap()
}

#[test]
fn header_compiles_alone_as_c_and_as_cpp() {
    let folder = tempfile::tempdir().unwrap();
    let alone = folder.path().join("alone.c");
    std::fs::write(&alone, "#include <micromint.h>\nint main(void) { return 0; }\n").unwrap();
    for compiler in [Compiler::C89, Compiler::C99, Compiler::Cpp] {
        compiler.check_syntax(&alone);
    }
}

#[test]
fn version() {
    run_program("version", Link::Shared);
    run_program("version", Link::Static);
}

#[test]
fn statuses_and_error_texts() {
    run_program("statuses", Link::Shared);
}

#[test]
fn panics_stay_inside() {
    run_program("panic", Link::Shared);
    run_program("panic", Link::Static);
}

#[test]
fn threads() {
    run_program("threads", Link::Shared);
}

#[test]
fn fork() {
    let program = crate_path().join("tests/c/fork.c");
    for link in [Link::Shared, Link::Static] {
        let folder = tempfile::tempdir().unwrap();
        payments::write_world(folder.path());
        library::run_forking(&program, folder.path(), link, &[folder.path()]);
    }
}

#[test]
fn every_function_notices_a_handle_of_another_process() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("forked.c");
    std::fs::write(&program, nulls::forked_program(&header())).unwrap();
    payments::write_world(folder.path());
    library::run_forking(&program, folder.path(), Link::Shared, &[folder.path()]);
}

#[test]
fn everything_lent_is_readable() {
    let folder = tempfile::tempdir().unwrap();
    let calls = nulls::lending_calls(&header());
    std::fs::write(folder.path().join("lending_calls.h"), calls).unwrap();
    payments::write_world(folder.path());
    let program = crate_path().join("tests/c/lending.c");
    library::run(&program, folder.path(), Link::Shared, &[folder.path()]);
}

#[test]
fn a_test_reaches_every_status() {
    run_in_world("every_status", Link::Shared);
}

/// The system refuses every thread: the work is done on the calling one.
#[test]
fn no_threads() {
    run_in_world("no_threads", Link::Shared);
}

#[test]
fn paywall() {
    let folder = tempfile::tempdir().unwrap();
    payments::write_world(folder.path());
    library::run(
        &crate_path().join("tests/c/paywall.c"),
        folder.path(),
        Link::Shared,
        &[folder.path()],
    );
}

/// The coin file that the mint makes from C is, byte for byte, that of `testdata/`.
#[test]
fn mint() {
    let folder = tempfile::tempdir().unwrap();
    payments::write_world(folder.path());
    library::run(
        &crate_path().join("tests/c/mint.c"),
        folder.path(),
        Link::Shared,
        &[folder.path()],
    );
    let minted = std::fs::read(folder.path().join("2026-12.coins")).unwrap();
    let expected = std::fs::read(crate_path().join("../testdata/coin-file/2026-12.coins")).unwrap();
    assert!(minted == expected, "another coin file");
}

#[test]
fn whole_cycle() {
    let folder = tempfile::tempdir().unwrap();
    payments::write_world(folder.path());
    let source = crate_path().join("tests/c/cycle.c");
    let program = library::compile(&source, folder.path(), Link::Static);
    broker::serve(&program, folder.path());
}

#[test]
fn wallet_pays_a_paywall() {
    let folder = tempfile::tempdir().unwrap();
    payments::write_world(folder.path());
    let sale = crate_path().join("../testdata/messages/funds-withdrawn.txt");
    let arguments = [folder.path(), &sale];
    library::run(&crate_path().join("tests/c/wallet.c"), folder.path(), Link::Shared, &arguments);
}

#[test]
fn all_vectors() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("vectors.h"), vectors::header()).unwrap();
    library::run(&crate_path().join("tests/c/vectors.c"), folder.path(), Link::Static, &[]);
}

/// The whole HTTP profile, from C as from the servers.
#[test]
fn all_cases() {
    let folder = tempfile::tempdir().unwrap();
    let program =
        library::compile(&crate_path().join("tests/c/player.c"), folder.path(), Link::Shared);
    let (count, failures) = cases::play(&program);
    assert!(failures.is_empty(), "{} of {count} steps:\n{}", failures.len(), failures.join("\n"));
    micromint_core::testing::cases::assert_played(count);
}

#[test]
fn null_is_told_for_every_pointer_of_every_function() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("nulls.c");
    let header = std::fs::read_to_string(crate_path().join("../include/micromint.h")).unwrap();
    std::fs::write(&program, nulls::program(&header)).unwrap();
    payments::write_world(folder.path());
    library::run(&program, folder.path(), Link::Shared, &[folder.path()]);
}

/// Every symbol of the shared library is a function of the header, and has the version that
/// introduced it.
#[test]
fn nothing_else_is_exported() {
    let library = library::library_folder().join("libmicromint.so");
    let listed = library::output(
        std::process::Command::new("nm").args(["-D", "--defined-only"]).arg(&library),
    );
    let header = std::fs::read_to_string(crate_path().join("../include/micromint.h")).unwrap();
    let mut exported: Vec<&str> =
        listed.lines().filter_map(|line| line.split(' ').nth(2)).collect();
    exported.retain(|name| !name.starts_with("micromint_test_panic@"));
    let mut declared: Vec<String> = nulls::functions(&header)
        .into_iter()
        .map(|function| function.name + "@@MICROMINT_0.1")
        .collect();
    declared.push("MICROMINT_0.1".to_string());
    exported.sort_unstable();
    declared.sort_unstable();
    assert_eq!(exported, declared);
}

/// The static library has no other global symbol, so that a program can link another Rust library,
/// with a Rust runtime of its own, beside it.
#[test]
fn two_rust_libraries_link_together() {
    let library = library::library_folder().join("libmicromint.a");
    let mut nm = std::process::Command::new("nm");
    let listed = library::output(nm.args(["--defined-only", "--extern-only"]).arg(&library));
    let global = listed.lines().filter_map(|line| line.split(' ').nth(2));
    let (own, others): (Vec<&str>, Vec<&str>) =
        global.partition(|name| name.starts_with("micromint_"));
    assert!(own.len() > 90, "only {} functions", own.len());
    assert!(others.is_empty(), "{others:?}");

    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.rs");
    std::fs::write(&other, OTHER_LIBRARY).unwrap();
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut rustc = std::process::Command::new(rustc);
    rustc.args(["--edition", "2021", "--crate-type", "staticlib", "-o"]);
    library::output(rustc.arg(folder.path().join("libother.a")).arg(&other));
    let program = folder.path().join("both.c");
    std::fs::write(&program, BOTH_LIBRARIES).unwrap();
    library::run(&program, folder.path(), Link::StaticWithOther, &[]);
}

/// It panics and catches that, so that both runtimes are used.
const OTHER_LIBRARY: &str = r#"
    #[no_mangle]
    pub extern "C" fn other_answer() -> i32 {
        std::panic::catch_unwind(|| panic!("on purpose")).map_or(42, |()| 0)
    }
"#;

const BOTH_LIBRARIES: &str = r#"
    #include "check.h"
    extern int other_answer(void);
    extern micromint_status micromint_test_panic(uint32_t how, micromint_error **error_out);
    int main(void) {
      micromint_params *params = period();
      CHECK(micromint_params_coin_size(params) == 4);
      micromint_params_free(params);
      CHECK(micromint_test_panic(0, NULL) == MICROMINT_ERROR_PANIC);
      CHECK(other_answer() == 42);
      return 0;
    }
"#;

/// The shared library is shipped without its debug information, which lies beside it.
#[test]
fn the_shared_library_is_stripped() {
    let library = library::library_folder().join("libmicromint.so");
    let mut objdump = std::process::Command::new("objdump");
    let sections = library::output(objdump.arg("-h").arg(&library));
    assert!(sections.contains(".gnu_debuglink"), "{sections}");
    assert!(!sections.contains(".debug_info") && !sections.contains(".symtab"), "{sections}");
    let mut debug = std::fs::canonicalize(&library).unwrap().into_os_string();
    debug.push(".debug");
    let debug = std::path::PathBuf::from(debug);
    assert!(debug.exists(), "{}", debug.display());
}

/// The loader is asked for a library of the version that the header describes.
#[test]
fn soname_holds_the_version() {
    let library = library::library_folder().join("libmicromint.so");
    let headers = library::output(std::process::Command::new("objdump").arg("-p").arg(&library));
    let soname = headers.lines().find(|line| line.contains("SONAME")).unwrap_or_default();
    assert!(soname.ends_with("libmicromint.so.0.1"), "{soname}");
}
