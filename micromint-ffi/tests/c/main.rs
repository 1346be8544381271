//! C programs against the built library: each proves one rule of `docs/reference/c-conventions.md`.
//!
//! They run under AddressSanitizer. The shipped profile and valgrind take longer, so `make test-c`
//! requests them:
//! `MICROMINT_C_PROFILE=release MICROMINT_C_VALGRIND=1 cargo test -p micromint-ffi --test c`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod cases;
mod library;
mod nulls;
mod payments;
mod vectors;

use library::{Compiler, Link, crate_path, run_program};

#[test]
fn header_compiles_alone_as_c_and_as_cpp() {
    let folder = tempfile::tempdir().unwrap();
    let alone = folder.path().join("alone.c");
    std::fs::write(&alone, "#include <micromint.h>\nint main(void) { return 0; }\n").unwrap();
    for compiler in [Compiler::C99, Compiler::Cpp] {
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
    run_program("fork", Link::Shared);
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
    library::run(
        &crate_path().join("tests/c/cycle.c"),
        folder.path(),
        Link::Static,
        &[folder.path()],
    );
}

/// Batches are examined on the permitted number of threads, and invalid coins are listed.
#[test]
fn batch() {
    let folder = tempfile::tempdir().unwrap();
    payments::write_world(folder.path());
    library::run(
        &crate_path().join("tests/c/batch.c"),
        folder.path(),
        Link::Static,
        &[folder.path()],
    );
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

/// The loader is asked for a library of the version that the header describes.
#[test]
fn soname_holds_the_version() {
    let library = library::library_folder().join("libmicromint.so");
    let headers = library::output(std::process::Command::new("objdump").arg("-p").arg(&library));
    let soname = headers.lines().find(|line| line.contains("SONAME")).unwrap_or_default();
    assert!(soname.ends_with("libmicromint.so.0.1"), "{soname}");
}
