//! The program `mmbrokerd`: the broker as a service. `mmbroker` has the commands of its operator.

mod cgi;
mod demo;
mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use micromint_console::{EXIT_OK, ToolError, command_line, finish, print_text, tell};
use mmbrokerd::config::Config;
use mmbrokerd::http::bind;
use mmbrokerd::programs::{BrokerArgs, block_on, open};
use mmbrokerd::store::Store;

/// The broker of MicroMint as a service
///
/// Without a command it serves until it is told to end (SIGTERM or SIGINT). A web server can also
/// run it as a CGI program. `mmbroker` has the commands of the operator.
///
/// Exit status: 0 done; 1 failed, standard error says why; 2 the command line is wrong.
#[derive(Parser)]
#[command(version, name = "mmbrokerd")]
struct Arguments {
    #[command(flatten)]
    broker: BrokerArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Make a whole broker for a try in a folder, with people and coins, and serve
    Demo(demo::Demo),
    /// Print the OpenAPI document of the interface
    Openapi,
}

fn main() -> ExitCode {
    if cgi::is_cgi() {
        return finish("mmbrokerd", cgi::answer());
    }
    finish("mmbrokerd", run(&command_line::<Arguments>()))
}

fn run(Arguments { broker, command }: &Arguments) -> Result<u8, ToolError> {
    match command {
        None => block_on(async {
            let config = Config::load(&broker.config)?;
            let is_new = Store::check_exists(&config.database).is_err();
            let service = open(&config, broker.as_of).await?;
            if is_new {
                tell!("mmbrokerd: warning: there was no database; made an empty one");
            }
            let listener = bind(config.listen).await?;
            serve::serve(service, &config, listener).await
        }),
        Some(Command::Demo(demo)) => {
            block_on(async {
                // The address is taken before anything is changed.
                let (config, listener) = demo.config().await?;
                let service = open(&config, broker.as_of).await?;
                demo.people(&service, &config).await?;
                match listener {
                    None => Ok(EXIT_OK),
                    Some(listener) => serve::serve(service, &config, listener).await,
                }
            })
        }
        Some(Command::Openapi) => {
            print_text(&mmbrokerd::http::document()?);
            Ok(EXIT_OK)
        }
    }
}
