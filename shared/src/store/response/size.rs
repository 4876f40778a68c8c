//! How many rows fit into one response. It knows no record.

use std::io;

use serde::Serialize;

use crate::store::response::Row;

/// How many of the first rows have no more than `max` bytes together in Lambda's response, but at least one.
pub(crate) fn fitting<T: Serialize>(rows: &[Row<T>], max: usize) -> usize {
    let mut bytes = 0;
    let fits = |row: &&Row<T>| {
        bytes += bytes_in_response(&row.record);
        bytes <= max
    };
    rows.iter().take_while(fits).count().max(1)
}

/// The bytes that a record takes in Lambda's response, which is JSON within JSON.
fn bytes_in_response(record: &impl Serialize) -> usize {
    let mut counter = Counter(0);
    // Counting can't fail. A record that can't be written fails in the response itself.
    let _ = serde_json::to_writer(&mut counter, record);
    counter.0
}

/// Counts the bytes of JSON that becomes a text in JSON, where each quote and backslash has another backslash. It has no control
/// characters, which are escaped already.
struct Counter(usize);

impl io::Write for Counter {
    fn write(&mut self, json: &[u8]) -> io::Result<usize> {
        let escaped = json.iter().filter(|byte| matches!(byte, b'"' | b'\\')).count();
        self.0 += json.len() + escaped;
        Ok(json.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_measured_as_json_within_json() {
        let record = ["a\"\\\n\u{1}\u{e9}\u{1f319}"];
        let response = serde_json::to_string(&serde_json::to_string(&record).unwrap()).unwrap();
        // Without the quotes around the inner JSON.
        assert_eq!(bytes_in_response(&record), response.len() - 2);
    }

    #[test]
    fn the_rows_that_fit_are_counted_and_the_first_always_fits() {
        // Each takes ten bytes.
        let rows: Vec<_> = (0..5).map(|_| Row { record: "123456".to_owned(), sort_key: String::new() }).collect();
        for (max, expected) in [(0, 1), (9, 1), (10, 1), (19, 1), (20, 2), (49, 4), (50, 5), (1_000, 5)] {
            assert_eq!(fitting(&rows, max), expected, "{max}");
        }
    }
}
