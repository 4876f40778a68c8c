//! `cargo run -p openapi`: writes the OpenAPI document to `openapi.json`.

use std::{fs, process::ExitCode};

fn main() -> ExitCode {
    match fs::write(openapi::FILE, openapi::text()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Can't write {}: {error}.", openapi::FILE);
            ExitCode::FAILURE
        }
    }
}
