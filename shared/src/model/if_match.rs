//! The precondition of an update: the versions at which it applies. It knows no header map.

use crate::model::text::shown;

/// The versions of an object that an update applies to: the `If-Match` header (RFC 9110, section 13.1.1). Without the header, any
/// version.
#[derive(Debug, PartialEq, Eq)]
pub struct IfMatch(Option<Vec<String>>);

impl IfMatch {
    /// Matches any version.
    pub const ANY: Self = Self(None);

    /// Whether an object at this version may be updated.
    pub(crate) fn allows(&self, version: u64) -> bool {
        self.0.as_ref().is_none_or(|versions| versions.contains(&version.to_string()))
    }

    /// Reads the header's values, which may be empty. A tag that this API can't have issued is an error, because no retry would make it
    /// match.
    pub(crate) fn read(values: &[String]) -> Result<Self, String> {
        if values.is_empty() {
            return Ok(Self::ANY);
        }
        let header = values.join(",");
        let tags: Vec<&str> = header.split(',').map(str::trim).filter(|tag| !tag.is_empty()).collect();
        match tags[..] {
            [] => Err(
                "The If-Match header is empty. Send the object's ETag unchanged, such as \"3\", or omit the header."
                    .to_owned(),
            ),
            ["*"] => Ok(Self::ANY),
            _ => tags.iter().map(|tag| version(tag)).collect::<Result<_, _>>().map(|versions| Self(Some(versions))),
        }
    }
}

/// The version that a tag names, or what is wrong with the tag.
fn version(tag: &str) -> Result<String, String> {
    let is_version = |text: &str| {
        (1..=20).contains(&text.len()) && !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let told = shown(tag);
    if tag == "*" {
        return Err("The If-Match header combines * with other tags. Send one or the other.".to_owned());
    }
    if let Some(strong) = tag.strip_prefix("W/").or_else(|| tag.strip_prefix("w/")) {
        return Err(format!(
            "The If-Match tag {told} is weak, but If-Match only compares strong tags (RFC 9110, section 13.1.1). Send the ETag \
             without the W/ prefix: {}.",
            shown(strong)
        ));
    }
    let Some(inner) = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        let bare = tag.trim_matches(['"', '\'']);
        let send = if is_version(bare) { bare } else { "3" };
        let such = if is_version(bare) { "" } else { "the object's ETag unchanged, such as " };
        return Err(format!("The If-Match tag {told} is not in double quotes. Send {such}\"{send}\"."));
    };
    if is_version(inner) {
        return Ok(inner.to_owned());
    }
    let digits = inner.find(|c: char| !c.is_ascii_digit()).map_or(inner, |end| &inner[..end]);
    if is_version(digits) {
        return Err(format!(
            "The If-Match tag {told} was not issued by this API: a compressing proxy has probably changed it. Send \
             \"{digits}\"."
        ));
    }
    Err(format!(
        "The If-Match tag {told} was not issued by this API. Send the object's ETag unchanged: its version in double \
         quotes, such as \"3\"."
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_match_allows_the_versions_it_names() {
        let allows = |values: &[&str], version| {
            IfMatch::read(&values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>()).unwrap().allows(version)
        };
        assert!(allows(&[], 7) && allows(&["*"], 7) && allows(&["\"7\""], 7) && allows(&["\"6\" ,, \"7\""], 7));
        assert!(allows(&["\"6\"", "\"7\""], 7));
        assert!(!allows(&["\"6\""], 7) && !allows(&["\"70\", \"17\""], 7) && !allows(&["\"18446744073709551616\""], 7));
    }

    #[test]
    fn a_tag_that_can_never_match_is_rejected_with_the_reason() {
        let weak = |tag: &str, strong: &str| {
            format!(
                "The If-Match tag {tag} is weak, but If-Match only compares strong tags (RFC 9110, section 13.1.1). Send the \
                 ETag without the W/ prefix: {strong}."
            )
        };
        let unquoted = |tag: &str| format!("The If-Match tag {tag} is not in double quotes. Send \"1\".");
        let changed = |tag: &str| {
            format!(
                "The If-Match tag {tag} was not issued by this API: a compressing proxy has probably changed it. Send \
                 \"1\"."
            )
        };
        let strange = |tag: &str| {
            format!(
                "The If-Match tag {tag} was not issued by this API. Send the object's ETag unchanged: its version in \
                 double quotes, such as \"3\"."
            )
        };
        let empty =
            "The If-Match header is empty. Send the object's ETag unchanged, such as \"3\", or omit the header.";
        for (tags, words) in [
            ("", empty.to_owned()),
            (" , ", empty.to_owned()),
            ("W/\"1\"", weak("W/\"1\"", "\"1\"")),
            ("\"2\", w/\"1\"", weak("w/\"1\"", "\"1\"")),
            ("1", unquoted("1")),
            ("'1'", unquoted("'1'")),
            ("\"1", unquoted("\"1")),
            ("2, \"1\"", "The If-Match tag 2 is not in double quotes. Send \"2\".".to_owned()),
            (
                "abc",
                "The If-Match tag abc is not in double quotes. Send the object's ETag unchanged, such as \"3\"."
                    .to_owned(),
            ),
            ("\"1-gzip\"", changed("\"1-gzip\"")),
            ("\"1;br\"", changed("\"1;br\"")),
            ("\"\"", strange("\"\"")),
            ("\"abc\"", strange("\"abc\"")),
            ("\"01\"", strange("\"01\"")),
            ("*, \"1\"", "The If-Match header combines * with other tags. Send one or the other.".to_owned()),
        ] {
            assert_eq!(IfMatch::read(&[tags.to_owned()]).unwrap_err(), words, "{tags}");
        }
    }
}
