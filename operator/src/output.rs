//! What the command prints: tables for people, JSON lines for scripts.

use std::io::{self, Write};

use serde::Serialize;

/// A row of a table; its type gives the headings.
pub(crate) trait Row: Serialize {
    /// The headings, each with the width of its column.
    const COLUMNS: &'static [(&'static str, usize)];

    /// The cells, in the order of the columns.
    fn cells(&self) -> Vec<String>;
}

/// Prints rows and lines to standard output.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
    headed: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json, headed: false }
    }

    /// Whether to print JSON, for scripts.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Prints a row, the first one under its headings.
    pub(crate) fn row<T: Row>(&mut self, row: &T) -> io::Result<()> {
        if self.json {
            return self.json(row);
        }
        if !self.headed {
            self.headed = true;
            line(T::COLUMNS.iter().map(|(heading, width)| ((*heading).to_owned(), *width)))?;
        }
        line(row.cells().into_iter().zip(T::COLUMNS.iter().map(|(_, width)| *width)))
    }

    /// Prints a line of JSON.
    pub(crate) fn json(&self, value: &impl Serialize) -> io::Result<()> {
        self.text(&serde_json::to_string(value)?)
    }

    /// Prints a line.
    #[expect(clippy::unused_self, reason = "all output goes through here")]
    pub(crate) fn text(&self, text: &str) -> io::Result<()> {
        writeln!(io::stdout(), "{text}")
    }
}

fn line(cells: impl Iterator<Item = (String, usize)>) -> io::Result<()> {
    let cells: Vec<String> = cells.map(|(cell, width)| format!("{cell:<width$}")).collect();
    writeln!(io::stdout(), "{}", cells.join("  ").trim_end())
}
