//! The command line: parsing, the runtime, exit codes, and how errors are shown.
//!
//! # How to add a command
//!
//! One file in `commands/` with `Args` and `run`, its arm in [`Command`] and in [`dispatch`]. Data goes to stdout,
//! everything else to stderr; an error that the caller can mend is a [`Failure`](crate::commands::Failure) with a hint.

use std::io::ErrorKind;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use nuncio_client::ClientError;

use crate::commands::{
    self, Failure, app_package, audiences, conversations, demo, directory, install, keys, lanes, messages,
    opt_outs, people, reachability, send, serve, sim, teams,
};
use crate::config::ConfigError;
use nuncio_sim::SimError;

/// Some recipients do not have it, for a cause that is not theirs (`docs/product.md`, Command line).
pub const NOT_ALL: u8 = 1;
/// Arguments or configuration.
pub const WRONG_USE: u8 = 2;
/// No connection, no access, an error.
pub const NOT_DONE: u8 = 3;

/// Proactive messages in Microsoft Teams: to one person, to a channel, to everyone who has your app.
#[derive(Debug, Parser)]
#[command(
    name = "nuncio",
    version,
    max_term_width = 110,
    after_help = "Exit codes: 0 everyone who can be reached has it; 1 some are ambiguous, expired or failed for \
        another cause than reachability; 2 wrong use; 3 could not be done.\n\n\
        To begin: `nuncio demo`. Against Microsoft: `nuncio serve` says what it needs."
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Args),
    Serve(serve::Args),
    Sim(sim::Args),
    Send(Box<send::Args>),
    Messages(messages::Args),
    Install(Box<install::Args>),
    People(people::Args),
    Conversations(conversations::Args),
    Teams(teams::Args),
    Reachability(reachability::Args),
    Audiences(audiences::Args),
    OptOuts(opt_outs::Args),
    Lanes(lanes::Args),
    Directory(directory::Args),
    Keys(keys::Args),
    AppPackage(app_package::Args),
}

/// Runs the command line of this process.
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // clap tells apart what was asked for (help: stdout, 0) and what is wrong (stderr, 2).
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(WRONG_USE) } else { ExitCode::SUCCESS };
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return show(&anyhow::Error::new(error).context("the runtime cannot be started")),
    };
    runtime.block_on(dispatch(cli.command)).unwrap_or_else(|error| show(&error))
}

async fn dispatch(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Demo(args) => demo::run(args).await,
        Command::Serve(args) => serve::run(args).await,
        Command::Sim(args) => sim::run(args).await,
        Command::Send(args) => send::run(*args).await,
        Command::Messages(args) => messages::run(args).await,
        Command::Install(args) => install::run(*args).await,
        Command::People(args) => people::run(args).await,
        Command::Conversations(args) => conversations::run(args).await,
        Command::Teams(args) => teams::run(args).await,
        Command::Reachability(args) => reachability::run(args).await,
        Command::Audiences(args) => audiences::run(args).await,
        Command::OptOuts(args) => opt_outs::run(args).await,
        Command::Lanes(args) => lanes::run(args).await,
        Command::Directory(args) => directory::run(args).await,
        Command::Keys(args) => keys::run(args).await,
        Command::AppPackage(args) => app_package::run(args).await,
    }
}

fn show(error: &anyhow::Error) -> ExitCode {
    let (code, text) = explain(error);
    if let Some(text) = text {
        eprintln!("{text}");
    }
    ExitCode::from(code)
}

/// The exit code of an error and what is written of it; nothing where the reader of our output has gone (`| head`).
fn explain(error: &anyhow::Error) -> (u8, Option<String>) {
    let broken_pipe = |cause: &(dyn std::error::Error + 'static)| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
    };
    if error.chain().any(broken_pipe) {
        return (NOT_DONE, None);
    }
    let mut text = format!("error: {error:#}");
    let mut code = NOT_DONE;
    // One of ours may stand below contexts that were put around it.
    for cause in error.chain() {
        if let Some(failure) = cause.downcast_ref::<Failure>() {
            code = failure.code;
            failure.hints.iter().for_each(|hint| push_hint(&mut text, hint));
        } else if let Some(error) = cause.downcast_ref::<ClientError>() {
            code = commands::client_error_code(error);
            for item in commands::client_error_items(error) {
                text.push_str("\n  ");
                text.push_str(&item);
            }
            error.hint().iter().for_each(|hint| push_hint(&mut text, hint));
        } else if cause.is::<ConfigError>() {
            code = WRONG_USE;
        } else if let Some(error) = cause.downcast_ref::<SimError>()
            && let Some((of, hint)) = sim::hint(error)
        {
            code = of;
            push_hint(&mut text, hint);
        }
    }
    (code, Some(text))
}

fn push_hint(text: &mut String, hint: &str) {
    text.push_str("\n  hint: ");
    text.push_str(&hint.replace('\n', "\n        "));
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;
    use clap::CommandFactory as _;
    use nuncio_api::{Code, Problem, ProblemItem};

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_says_what_it_is_for() {
        for command in Cli::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments().filter(|argument| argument.get_id() != "help") {
                assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
            }
        }
    }

    #[test]
    fn a_failure_brings_its_code_and_hints() {
        let failed: anyhow::Result<()> = Err(Failure::wrong_use("no").hint("this way").into());
        let error = failed.context("the message was not sent").unwrap_err();
        let (code, text) = explain(&error);
        assert_eq!(code, WRONG_USE);
        assert_eq!(text.unwrap(), "error: the message was not sent: no\n  hint: this way");
    }

    #[test]
    fn a_refusal_of_the_server_is_shown_with_all_that_is_wrong() {
        let mut problem = Problem::new(Code::EmptyAudience, "nobody is named");
        problem.errors.push(ProblemItem {
            pointer: "/audience".to_owned(),
            code: "empty_audience".to_owned(),
            text: "names nobody".to_owned(),
        });
        let (code, text) = explain(&ClientError::Problem(Box::new(problem)).into());
        assert_eq!(code, WRONG_USE);
        let text = text.unwrap();
        assert!(
            text.starts_with("error: The audience is empty (empty_audience): nobody is named\n  /audience: names nobody\n  hint: "),
            "{text}"
        );
    }

    #[test]
    fn what_is_wrong_with_many_lines_is_said_once() {
        let mut problem = Problem::new(Code::ListLineInvalid, "3 things are wrong with the request");
        for (line, text) in
            [(17, "this names nobody"), (19, "a quote is opened here"), (21, "this names nobody")]
        {
            let (pointer, code) = (format!("/line/{line}"), "list_line_invalid".to_owned());
            problem.errors.push(ProblemItem { pointer, code, text: text.to_owned() });
        }
        let (_, text) = explain(&ClientError::Problem(Box::new(problem)).into());
        let text = text.unwrap();
        assert!(
            text.contains("\n  lines 17, 21: this names nobody\n  line 19: a quote is opened here\n  hint"),
            "{text}"
        );
    }

    #[test]
    fn codes_of_errors() {
        let unauthorized = ClientError::Problem(Box::new(Problem::new(Code::Unauthorized, "who?")));
        assert_eq!(explain(&unauthorized.into()).0, NOT_DONE);
        assert_eq!(explain(&anyhow::anyhow!("anything")).0, NOT_DONE);
        assert_eq!(explain(&ConfigError::Problems(Vec::new()).into()).0, WRONG_USE);
        let gone = std::io::Error::from(ErrorKind::BrokenPipe);
        assert_eq!(explain(&anyhow::Error::new(gone).context("writing")), (NOT_DONE, None));
    }
}
