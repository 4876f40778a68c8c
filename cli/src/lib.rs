//! What the commands share: parsing their options, and the error messages when parsing fails. It knows no command.

use std::{ffi::OsString, process::ExitCode};

use clap::{Parser, error::ErrorKind};

/// Parses the options that the program was started with. `Err` is the exit code when there is nothing to run: after printing the help, or
/// one sentence about what is wrong with the options.
pub fn parse<T: Parser>() -> Result<T, ExitCode> {
    parse_from(std::env::args_os()).map_err(|error| match error {
        Ended::Help(help) => {
            // The reader may have closed the pipe.
            let _ = help.print();
            ExitCode::SUCCESS
        }
        Ended::Wrong(sentence) => {
            eprintln!("{sentence}");
            ExitCode::from(2)
        }
    })
}

enum Ended {
    Help(clap::Error),
    Wrong(String),
}

fn parse_from<T: Parser>(arguments: impl IntoIterator<Item = OsString>) -> Result<T, Ended> {
    T::try_parse_from(arguments).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => Ended::Help(error),
        kind => Ended::Wrong(sentence(T::command().get_name(), kind, &error.to_string())),
    })
}

/// The error in one sentence, and then what to run for help.
fn sentence(program: &str, kind: ErrorKind, error: &str) -> String {
    if kind == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let usage = error.lines().find_map(|line| line.strip_prefix("Usage: ")).unwrap_or(program);
        let command =
            usage.split([' ']).take_while(|word| !word.starts_with(['[', '<', '-'])).collect::<Vec<_>>().join(" ");
        return format!("A command is missing. Run `{command} --help` to list the commands.");
    }
    let wrong = error.strip_prefix("error: ").unwrap_or(error);
    let wrong =
        wrong.split("\n\nUsage:").next().unwrap_or(wrong).split("\n\nFor more information").next().unwrap_or(wrong);
    let parts: Vec<String> = wrong
        .split("\n\n")
        .map(|part| part.split_whitespace().collect::<Vec<_>>().join(" "))
        .map(|part| part.trim_start_matches("tip: ").to_owned())
        .collect();
    let wrong = parts.join("; ");
    let mut letters = wrong.chars();
    let wrong: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
    format!("{}. Run `{program} --help` for help.", wrong.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Parser)]
    #[command(name = "program")]
    struct Options {
        #[arg(long)]
        _port: Option<u16>,
        #[command(subcommand)]
        _command: Command,
    }

    #[derive(Debug, clap::Subcommand)]
    enum Command {
        Create { _name: String, _plan: String },
    }

    fn wrong(arguments: &[&str]) -> String {
        let arguments = ["program"].iter().chain(arguments).map(OsString::from);
        match parse_from::<Options>(arguments) {
            Err(Ended::Wrong(sentence)) => sentence,
            _ => "fine".to_owned(),
        }
    }

    #[test]
    fn wrong_options_are_reported_in_one_line_with_the_next_step() {
        let next = "Run `program --help` for help.";
        assert_eq!(wrong(&[]), "A command is missing. Run `program --help` to list the commands.");
        assert_eq!(
            wrong(&["create"]),
            format!("The following required arguments were not provided: <NAME> <PLAN>. {next}")
        );
        assert_eq!(
            wrong(&["--prot", "1", "create"]),
            format!("Unexpected argument '--prot' found; a similar argument exists: '--port'. {next}")
        );
        assert_eq!(
            wrong(&["--port", "x", "create", "a", "b"]),
            format!("Invalid value 'x' for '--port <PORT>': invalid digit found in string. {next}")
        );
        assert_eq!(wrong(&["make"]), format!("Unrecognized subcommand 'make'. {next}"));
        assert_eq!(wrong(&["create", "a", "b"]), "fine");
    }
}
