//! The operator command: manages organizations, their plans, keys and members, sees erasures through, and checks a deployment. It works on the tables of any AWS
//! account, or of any endpoint, that the standard AWS variables name.

mod caller;
mod command;
mod desk;
mod doctor;
mod erasure;
mod error;
mod key;
mod member;
mod organization;
mod output;

use std::{io::ErrorKind, process::ExitCode};

use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::config::ProvideCredentials;
use aws_smithy_http_client::{
    Builder,
    tls::{Provider, rustls_provider::CryptoMode},
};
use clap::Parser;
use shared::{
    model::clock::Clock,
    store::db::{Db, Tables},
};

use crate::{caller::Caller, command::Command, desk::Desk, error::CommandError, output::Output};

/// Manage organizations, plans, API keys and members.
///
/// Credentials, region and endpoint come from the standard AWS environment variables and files. The table names are outputs
/// of the stack.
#[derive(Debug, Parser)]
#[command(name = "operator")]
struct Options {
    /// Table of keys and organizations.
    #[arg(long, env = "ACCESS_TABLE", value_name = "NAME", global = true)]
    access_table: Option<String>,
    /// Table of everything else.
    #[arg(long, env = "RECORDS_TABLE", value_name = "NAME", global = true)]
    records_table: Option<String>,
    /// Print JSON, one object per line.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = match cli::parse::<Options>() {
        Ok(options) => options,
        Err(code) => return code,
    };
    match run(options).await {
        Ok(()) => ExitCode::SUCCESS,
        // The reader closed the pipe, as `| head -1` does.
        Err(CommandError::Output(error)) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), CommandError> {
    let access = options.access_table.ok_or(CommandError::NoTable("--access-table", "ACCESS_TABLE"))?;
    let records = options.records_table.ok_or(CommandError::NoTable("--records-table", "RECORDS_TABLE"))?;
    let http = Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring)).build_https();
    let config = aws_config::defaults(BehaviorVersion::latest()).http_client(http).load().await;
    if config.region().is_none() {
        return Err(CommandError::NoRegion);
    }
    let credentials = config.credentials_provider().ok_or(CommandError::NoCredentials)?;
    credentials.provide_credentials().await.map_err(|_| CommandError::NoCredentials)?;
    let tables = Tables { access, records };
    let mut output = Output::new(options.json);
    let db = Db::new(&config, tables.clone());
    let desk = Desk { db, clock: Clock::system(), caller: Caller::new(config.clone()) };
    match options.command {
        Command::Doctor(doctor) => doctor.run(&config, &tables, &mut output).await,
        Command::Organization(command) => command.run(&desk, &mut output).await,
        Command::Key(command) => command.run(&desk, &mut output).await,
        Command::Erasure(command) => command.run(&desk, &mut output).await,
        Command::Member(command) => command.run(&desk, &mut output).await,
    }
}
