//! Characters: how Unicode's properties classify them, which of them surround a text without being part of it, and how an error names
//! one. It knows no field.

use std::fmt;

use icu_properties::{
    CodePointMapData, CodePointSetData,
    props::{BidiControl, DefaultIgnorableCodePoint, GeneralCategory, JoinControl, VariationSelector},
};

/// Whether the character changes the direction of the text around it.
pub(crate) fn is_direction_control(c: char) -> bool {
    CodePointSetData::new::<BidiControl>().contains(c)
}

/// Whether the character shows nothing by itself.
pub(crate) fn is_ignorable(c: char) -> bool {
    CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}

/// Whether it is a zero-width joiner or non-joiner, which several scripts and emoji need between two characters.
pub(crate) fn is_joiner(c: char) -> bool {
    CodePointSetData::new::<JoinControl>().contains(c)
}

fn is_variation_selector(c: char) -> bool {
    CodePointSetData::new::<VariationSelector>().contains(c)
}

/// Whether it is an invisible copy of an ASCII character. Only flag emoji use them.
fn is_tag(c: char) -> bool {
    matches!(c, '\u{e0020}'..='\u{e007f}')
}

/// Distinguishes format characters from letters and marks, which can be ignorable too: Hangul's fillers, and the selectors after an
/// emoji.
fn is_format(c: char) -> bool {
    CodePointMapData::<GeneralCategory>::new().get(c) == GeneralCategory::Format
}

/// Whether the character is visible. Two are blank although no property says so: the empty Braille cell and the empty note head.
fn shows(c: char) -> bool {
    !(c.is_whitespace() || c.is_control() || is_ignorable(c) || matches!(c, '\u{2800}' | '\u{1d159}'))
}

/// Whether any of the text is visible.
pub(crate) fn is_visible(text: &str) -> bool {
    text.chars().any(shows)
}

/// Whether it is a character that other programs put around a text unintentionally: direction marks, joiners, a byte order mark.
fn surrounds(c: char) -> bool {
    is_direction_control(c) || is_ignorable(c) && is_format(c) && !is_tag(c)
}

/// The text without the direction marks and zero-width characters around it, and how many characters were cut off at the start.
pub(crate) fn trim(text: &str) -> (&str, usize) {
    let inside = |c: char| !surrounds(c) && !c.is_whitespace();
    let lead = text.find(inside).unwrap_or(text.len());
    let start = text[..lead].char_indices().rfind(|(_, c)| surrounds(*c)).map_or(0, |(at, c)| at + c.len_utf8());
    let rest = &text[start..];
    let tail = rest.char_indices().rfind(|(_, c)| inside(*c)).map_or(0, |(at, c)| at + c.len_utf8());
    let end = rest[tail..].find(surrounds).map_or(rest.len(), |at| tail + at);
    (&rest[..end], text[..start].chars().count())
}

/// The first character that doesn't belong in a line of text: a control character, a line break, a direction control, or an invisible
/// character that no script or emoji needs at that place.
pub(crate) fn stray(text: &str) -> Option<Found> {
    let mut before = '\0';
    // The number of tags since a black flag: a region's flag emoji has up to six, and one to end it.
    let mut tags = None;
    for (i, c) in text.chars().enumerate() {
        tags = match tags {
            _ if c == '\u{1f3f4}' => Some(0),
            Some(tags) if is_tag(c) && tags < 7 => Some(tags + 1),
            _ => None,
        };
        let allowed = if is_direction_control(c) || is_line_break(c) || c.is_control() {
            false
        } else if is_ignorable(c) {
            is_needed(c, before) || is_tag(c) && tags.is_some()
        } else {
            true
        };
        if !allowed {
            return Some(Found { c, at: i + 1 });
        }
        before = c;
    }
    None
}

/// Whether a script or an emoji can need this invisible character after `before`.
fn is_needed(c: char, before: char) -> bool {
    if is_variation_selector(c) {
        return !is_variation_selector(before);
    }
    // The soft hyphen and the Mongolian vowel separator are format characters, like those that have no use in a line.
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    is_joiner(c)
        || matches!(c, '\u{ad}' | '\u{180e}')
        || matches!(category, GeneralCategory::OtherLetter | GeneralCategory::NonspacingMark)
}

pub(crate) fn is_line_break(c: char) -> bool {
    matches!(c, '\n'..='\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// A character and its position in the text, counted in characters from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) c: char,
    pub(crate) at: usize,
}

impl Found {
    /// The first character for which `is` returns true.
    pub(crate) fn first(text: &str, is: impl Fn(char) -> bool) -> Option<Self> {
        text.chars().enumerate().find(|(_, c)| is(*c)).map(|(i, c)| Self { c, at: i + 1 })
    }

    /// The same, counted from the start of the text before `cut` characters were cut off.
    pub(crate) fn after(self, cut: usize) -> Self {
        Self { at: self.at + cut, ..self }
    }
}

/// `a line break (U+000A) at character 3`.
impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at character {}", Named(self.c), self.at)
    }
}

/// A character as an error names it, since it may be invisible: `"#" (U+0023)`, `a space (U+0020)`.
pub(crate) struct Named(pub(crate) char);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(c) = *self;
        match c {
            '\t' => f.write_str("a tab"),
            c if is_line_break(c) => f.write_str("a line break"),
            c if c.is_control() => f.write_str("a control character"),
            c if c.is_whitespace() => f.write_str("a space"),
            c if is_direction_control(c) => f.write_str("a direction control"),
            c if is_ignorable(c) => f.write_str("an invisible character"),
            c => write!(f, "\"{c}\""),
        }?;
        write!(f, " (U+{:04X})", u32::from(c))
    }
}

/// What a client sent, safe to repeat in an error: at most 60 characters, with `U+FFFD` for each invisible one.
pub(crate) fn shown(text: &str) -> String {
    const MAX: usize = 60;
    let mut shown: String = text.chars().take(MAX).map(|c| if stray_alone(c) { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(MAX).is_some() {
        shown.push('…');
    }
    shown
}

fn stray_alone(c: char) -> bool {
    c.is_control() || is_line_break(c) || is_direction_control(c) || is_ignorable(c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_surrounds_a_text_is_trimmed_and_what_is_inside_stays() {
        for (sent, kept, cut) in [
            ("\u{200f}שלום\u{200f}", "שלום", 1),
            ("\u{feff}\u{200b}Ada\u{2060}", "Ada", 2),
            ("\u{2068}Ada\u{2069}", "Ada", 1),
            ("\u{202b} שלום \u{202c}", " שלום ", 1),
            (" \u{200f} \u{61c}ada ", "ada ", 4),
            (" Ada ", " Ada ", 0),
            ("نام\u{200c}ها", "نام\u{200c}ها", 0),
            ("❤\u{fe0f}", "❤\u{fe0f}", 0),
            ("\u{200e}\u{200f}", "", 2),
            ("", "", 0),
        ] {
            assert_eq!(trim(sent), (kept, cut), "{sent:?}");
        }
        let england = "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}";
        assert_eq!(trim(england), (england, 0));
    }

    #[test]
    fn a_text_without_visible_characters_is_recognized() {
        for blank in [
            "",
            "  ",
            "\u{3164}",
            "\u{180e}",
            "\u{e0041}\u{e0064}",
            "\u{115f}\u{1160}",
            "\u{ffa0}",
            "\u{ad}",
            "\u{34f}",
            "\u{2800}",
            "\u{200d}",
            "\u{fe0f}",
            "\u{3000}\u{a0}",
            "\u{2061}",
            "\u{1d173}",
            "\u{e0fff}",
            "\u{61c}",
        ] {
            assert!(!is_visible(blank), "{blank:?}");
        }
        assert!(is_visible("\u{3164}a") && is_visible("́") && is_visible("ᄀ\u{1160}"));
    }

    #[test]
    fn a_line_has_no_invisible_or_direction_characters_that_no_script_needs() {
        for (text, found) in [
            ("a\u{7}b", "a control character (U+0007) at character 2"),
            ("Zoë\nx", "a line break (U+000A) at character 4"),
            ("a\u{b}", "a line break (U+000B) at character 2"),
            ("a\u{85}", "a line break (U+0085) at character 2"),
            ("🌙\u{2028}b", "a line break (U+2028) at character 2"),
            ("a\tb", "a tab (U+0009) at character 2"),
            ("a\u{61c}b", "a direction control (U+061C) at character 2"),
            ("a\u{202e}b", "a direction control (U+202E) at character 2"),
            ("a\u{2067}b", "a direction control (U+2067) at character 2"),
            ("a\u{200b}b", "an invisible character (U+200B) at character 2"),
            ("a\u{feff}b", "an invisible character (U+FEFF) at character 2"),
            ("a\u{e0041}b", "an invisible character (U+E0041) at character 2"),
            ("a\u{fe0f}\u{e0100}", "an invisible character (U+E0100) at character 3"),
            ("🏴\u{e0067}x\u{e0067}", "an invisible character (U+E0067) at character 4"),
        ] {
            assert_eq!(stray(text).unwrap().to_string(), found, "{text:?}");
        }
        for fine in [
            "Ada",
            "👩\u{200d}👩\u{200d}👧",
            "👁\u{fe0f}\u{200d}🗨\u{fe0f}",
            "1\u{fe0f}\u{20e3}",
            "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
            "می\u{200c}خواهم",
            "Kranken\u{ad}pfleger",
            "ᠮᠣᠩᠭᠣᠯ\u{180e}ᠠ",
            "ᄀ\u{1160}",
            "a\u{a0}b\u{3000}c",
        ] {
            assert_eq!(stray(fine), None, "{fine:?}");
        }
    }

    #[test]
    fn what_an_error_repeats_is_short_and_visible() {
        assert_eq!(shown("a\u{202e}\nb"), "a\u{fffd}\u{fffd}b");
        assert_eq!(shown(&"ü".repeat(300)), "ü".repeat(60) + "…");
    }

    proptest! {
        #[test]
        fn trimming_is_idempotent_and_removes_only_what_surrounds(text in any::<String>(), lead in "[\u{200f}\u{feff}\u{61c} ]{0,4}") {
            let sent = lead + &text;
            let (kept, cut) = trim(&sent);
            prop_assert!(sent.contains(kept));
            prop_assert_eq!(trim(kept), (kept, 0));
            prop_assert!(sent.chars().skip(cut).zip(kept.chars()).all(|(a, b)| a == b));
            prop_assert_eq!(is_visible(kept), is_visible(&sent));
        }
    }
}
