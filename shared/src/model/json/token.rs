//! The strings and numbers of a JSON text: where they are, and what is wrong with one. It checks nothing between them.

use crate::model::{
    digits::{MAX_DIGITS, significant_digits},
    text::{Named, shown},
};

/// What is wrong with a token.
pub(super) enum Broken {
    /// A string that JSON does not allow.
    Text { at: usize, what: String },
    /// A number that is too large for a double.
    Number { field: String, message: String },
}

/// A string or a number in a text.
pub(super) struct Token<'a> {
    text: &'a [u8],
    pub(super) start: usize,
    /// The offset after its last byte.
    pub(super) end: usize,
    frames: &'a [Frame],
}

/// An object or array that is open around a token.
enum Frame {
    /// With the span of the last name read, and whether the next string is a name.
    Object { name: Option<(usize, usize)>, is_name_next: bool },
    /// With the index of the entry.
    List(usize),
}

impl Token<'_> {
    /// The path of its field, in the form that a problem uses.
    pub(super) fn path(&self) -> String {
        #[cfg(test)]
        PATHS.set(PATHS.get() + 1);
        let mut path = String::new();
        for frame in self.frames {
            match *frame {
                Frame::List(i) => path += &format!("[{i}]"),
                Frame::Object { name: None, .. } => {}
                Frame::Object { name: Some((start, end)), .. } => {
                    let quoted = &self.text[start..end];
                    let name = serde_json::from_slice(quoted)
                        .unwrap_or_else(|_| String::from_utf8_lossy(quoted.trim_ascii()).trim_matches('"').to_owned());
                    path += if path.is_empty() { "" } else { "." };
                    path += &name;
                }
            }
        }
        path
    }

    fn number(&self) -> Option<&str> {
        let token = &self.text[self.start..self.end];
        if token.starts_with(b"\"") { None } else { std::str::from_utf8(token).ok() }
    }

    pub(super) fn too_many_digits(&self) -> Option<(String, String)> {
        let number = self.number()?;
        let digits = significant_digits(number);
        let message =
            || format!("must have at most {MAX_DIGITS} significant digits (got {digits} in {})", shown(number));
        (digits > MAX_DIGITS).then(|| (self.path(), message()))
    }

    pub(super) fn broken(&self) -> Option<Broken> {
        if let Some(number) = self.number() {
            let beyond = number.parse().is_ok_and(f64::is_infinite);
            let message = format!("must be within the range of a double (got {})", shown(number));
            return beyond.then(|| Broken::Number { field: self.path(), message });
        }
        let (at, what) = broken_text(&self.text[self.start..self.end])?;
        Some(Broken::Text { at: self.start + at, what })
    }
}

/// What is wrong with a quoted string, and at which byte of it.
fn broken_text(text: &[u8]) -> Option<(usize, String)> {
    let utf8 = std::str::from_utf8(text).map_or_else(|error| error.valid_up_to(), str::len);
    let mut at = 1;
    while at < utf8 {
        match text[at] {
            byte @ 0..0x20 => {
                return Some((at, format!("{} in a string must be escaped", Named(char::from(byte)))));
            }
            b'\\' => {
                if let Some(what) = broken_escape(&text[at..]) {
                    return Some((at, what));
                }
                at += match unit(&text[at..]) {
                    Some(0xd800..0xdc00) => 12,
                    Some(_) => 6,
                    None => 2,
                };
            }
            _ => at += 1,
        }
    }
    text.get(utf8).map(|byte| (utf8, format!("byte 0x{byte:02X} is not valid UTF-8")))
}

/// The UTF-16 code unit of an escape such as `\u00e9` at the start of the text.
fn unit(text: &[u8]) -> Option<u16> {
    let hex = std::str::from_utf8(text.strip_prefix(b"\\u")?.get(..4)?).ok()?;
    hex.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u16::from_str_radix(hex, 16).ok()).flatten()
}

fn broken_escape(text: &[u8]) -> Option<String> {
    let escape = || shown(&String::from_utf8_lossy(&text[..text.len().min(6)]));
    match text.get(1) {
        Some(b'u') => match unit(text) {
            None => Some(format!("{} is not a valid escape: \\u needs four hexadecimal digits", escape())),
            Some(0xd800..0xdc00) if !matches!(text.get(6..).and_then(unit), Some(0xdc00..0xe000)) => {
                Some(format!("{} is a lone surrogate: a low surrogate must follow it", escape()))
            }
            Some(0xdc00..0xe000) => {
                Some(format!("{} is a lone surrogate: a high surrogate must come before it", escape()))
            }
            Some(_) => None,
        },
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') | None => None,
        Some(_) => {
            let c = char_at(text, 1)?;
            Some(format!("\\{} is not a valid JSON escape", shown(&c.to_string())))
        }
    }
}

/// Passes the strings and numbers of a text to `go_on`, in order, until it returns false. What is between them is not checked.
pub(super) fn walk(text: &[u8], mut go_on: impl FnMut(Token<'_>) -> bool) {
    let mut frames: Vec<Frame> = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let start = at;
        at += 1;
        match text[start] {
            b'{' => frames.push(Frame::Object { name: None, is_name_next: true }),
            b'[' => frames.push(Frame::List(0)),
            b'}' | b']' => {
                frames.pop();
            }
            b',' => match frames.last_mut() {
                Some(Frame::List(i)) => *i += 1,
                Some(Frame::Object { is_name_next, .. }) => *is_name_next = true,
                None => {}
            },
            b'"' => {
                while at < text.len() && text[at] != b'"' {
                    at += if text[at] == b'\\' { 2 } else { 1 };
                }
                at = (at + 1).min(text.len());
                if let Some(Frame::Object { name, is_name_next: is_next @ true }) = frames.last_mut() {
                    *name = Some((start, at));
                    *is_next = false;
                }
                if !go_on(Token { text, start, end: at, frames: &frames }) {
                    return;
                }
            }
            b'-' | b'0'..=b'9' => {
                let inside = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
                while text.get(at).is_some_and(inside) {
                    at += 1;
                }
                if !go_on(Token { text, start, end: at, frames: &frames }) {
                    return;
                }
            }
            _ => {}
        }
    }
}

pub(super) fn char_at(text: &[u8], at: usize) -> Option<char> {
    String::from_utf8_lossy(&text[at..(at + 4).min(text.len())]).chars().next()
}

#[cfg(test)]
thread_local! {
    /// How many paths were built.
    pub(super) static PATHS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}
