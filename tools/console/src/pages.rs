//! Generates the manual pages and shell completions of a tool from the definition of its command
//! line.
//!
//! `TOOL --write-pages FOLDER` writes TOOL.1 (and TOOL-COMMAND.1 for each command), TOOL.bash,
//! _TOOL (zsh) and TOOL.fish into the folder; `make install` calls it. The option is hidden from
//! the help text: users do not need it.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process;

use clap::{Command, Parser};
use clap_complete::{Shell, generate_to};

use crate::{EXIT_FAILURE, EXIT_OK, tell};

/// The name of the option.
const OPTION: &str = "--write-pages";

/// Parses the command line. Like `clap`, it ends the program if the line is wrong or asks for help.
/// Help that cannot be printed is a failure, unless the reader closed the pipe.
pub fn command_line<C: Parser>() -> C {
    let arguments: Vec<_> = env::args_os().skip(1).take(2).collect();
    if let [option, folder] = arguments.as_slice()
        && option == OsStr::new(OPTION)
    {
        let status = match write(C::command(), Path::new(folder)) {
            Ok(()) => EXIT_OK,
            Err(error) => {
                tell!("error: {OPTION} {}: {error}", folder.display());
                EXIT_FAILURE
            }
        };
        process::exit(status.into());
    }
    C::try_parse().unwrap_or_else(|error| {
        let mut status = error.exit_code();
        if let Err(failed) = error.print()
            && !error.use_stderr()
            && failed.kind() != io::ErrorKind::BrokenPipe
        {
            tell!("error: cannot write to standard output: {failed}");
            status = EXIT_FAILURE.into();
        }
        process::exit(status)
    })
}

/// Writes the pages of a tool into a folder that exists.
fn write(command: Command, folder: &Path) -> io::Result<()> {
    let name = command.get_name().to_string();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        generate_to(shell, &mut command.clone(), &name, folder)?;
    }
    clap_mangen::generate_to(command.disable_help_subcommand(true), folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_of_a_tool_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let command =
            Command::new("tool").about("Does it.").subcommand(Command::new("sub").about("A part."));
        write(command, folder.path()).unwrap();
        let mut names: Vec<String> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["_tool", "tool-sub.1", "tool.1", "tool.bash", "tool.fish"]);
        let page = std::fs::read_to_string(folder.path().join("tool-sub.1")).unwrap();
        assert!(page.contains("A part."), "{page}");
    }
}
