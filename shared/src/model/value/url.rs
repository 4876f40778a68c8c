//! A web address that a page can show as a link. It knows no page.

use serde_json::Value;
use utoipa::openapi::{RefOr, Schema, SchemaFormat};

use super::string::{MAX_URL, text, text_schema, texts};
use crate::model::{
    field::{Describer, Field, Problem, Problems},
    schema::schemas,
    text::{Found, shown},
};

texts! {
    /// An absolute `http` or `https` URL of up to [`MAX_URL`] characters.
    WebUrl
}

schemas! {
    WebUrl: text_schema(1, MAX_URL)
        .format(Some(SchemaFormat::Custom("uri".to_owned())))
        .description(Some("An http or https URL."));
}

impl Field for WebUrl {
    fn parse(value: &Value, at: &str, problems: &mut Problems) -> Option<Self> {
        let (text, cut) = text(value, 1, MAX_URL, at, problems)?;
        match check(text, cut) {
            Ok(()) => Some(Self(text.to_owned())),
            Err(wrong) => problems.note(at, Problem::InvalidFormat, wrong),
        }
    }

    fn describe(schemas: &mut impl Describer) -> RefOr<Schema> {
        schemas.refer::<Self>()
    }
}

/// Checks that the text is an absolute `http` or `https` URL. `cut` is how many characters were cut off at its start.
///
/// The parser repairs a lot, but we store what was sent. So anything that needs repair, or that could break out of an HTML attribute, is
/// rejected.
fn check(text: &str, cut: usize) -> Result<(), String> {
    const FORM: &str = "must be an absolute http or https URL";
    let strange = |c: char| {
        c.is_control()
            || c.is_whitespace()
            || crate::model::text::is_direction_control(c)
            || crate::model::text::is_ignorable(c) && !crate::model::text::is_joiner(c)
            || matches!(c, '\\' | '"' | '<' | '>' | '`')
    };
    if let Some(found) = Found::first(text, strange) {
        return Err(format!("must not contain {}: percent-encode it", found.after(cut)));
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        let scheme = text.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
        return Err(match scheme.as_deref() {
            Some("http" | "https") => format!("{FORM}: two slashes are missing after the scheme"),
            // Only known schemes, because a host and port look the same: `example.com:8080/a`.
            Some(scheme @ ("javascript" | "data" | "mailto" | "file" | "ftp" | "tel")) => {
                format!("{FORM}: its scheme is {scheme}")
            }
            _ => format!("{FORM}: the scheme is missing, such as https://"),
        });
    };
    if scheme.is_empty() || scheme.contains(['/', '.', '?', '#', ':']) {
        return Err(format!("{FORM}: the scheme is missing, such as https://"));
    }
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(format!("{FORM}: its scheme is {}", shown(scheme)));
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.is_empty() {
        return Err(format!("{FORM}: the host is missing"));
    }
    if authority.contains('@') {
        return Err("must not contain a user name or password".to_owned());
    }
    match url::Url::parse(text) {
        Ok(_) => Ok(()),
        Err(url::ParseError::InvalidPort) => Err(format!("{FORM}: its port must be a number up to 65535")),
        Err(_) => Err(format!("{FORM}: {} is not a valid host", shown(authority))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_url_that_a_page_can_show_is_accepted() {
        for url in [
            "https://example.com",
            "HTTP://example.com:8080/a?b=c#d",
            "https://bücher.example/ä",
            "https://[2001:db8::1]/",
            "https://example.com/?mail=a@b",
            "https://example.com/a%20b",
        ] {
            assert_eq!(check(url, 0), Ok(()), "{url}");
        }
    }

    #[test]
    fn an_invalid_url_is_rejected_with_the_reason() {
        let form = |what: &str| format!("must be an absolute http or https URL: {what}");
        let missing = form("the scheme is missing, such as https://");
        for (url, words) in [
            ("example.com/cv.pdf", missing.clone()),
            ("www.example.com", missing.clone()),
            ("//example.com", missing.clone()),
            ("://example.com", missing.clone()),
            ("example.com:8080/a", missing.clone()),
            ("example.com/?next=https://example.com", missing),
            ("https:example.com", form("two slashes are missing after the scheme")),
            ("http:/example.com", form("two slashes are missing after the scheme")),
            ("ftp://example.com", form("its scheme is ftp")),
            ("javascript:alert(1)", form("its scheme is javascript")),
            ("mailto:ada@example.com", form("its scheme is mailto")),
            ("https://", form("the host is missing")),
            ("https:///cv.pdf", form("the host is missing")),
            ("https://example.com:port/", form("its port must be a number up to 65535")),
            ("https://example.com:65536/", form("its port must be a number up to 65535")),
            ("https://exa%mple.com/", form("exa%mple.com is not a valid host")),
            ("https://[::1/", form("[::1 is not a valid host")),
            ("https://ada:secret@example.com/", "must not contain a user name or password".to_owned()),
            ("https://@example.com/", "must not contain a user name or password".to_owned()),
        ] {
            assert_eq!(check(url, 0), Err(words), "{url}");
        }
        for (url, found) in [
            ("https://example.com/a b", "a space (U+0020) at character 22"),
            (" https://example.com/", "a space (U+0020) at character 1"),
            ("https://example.com/\n", "a line break (U+000A) at character 21"),
            ("https:\\\\example.com", "\"\\\" (U+005C) at character 7"),
            ("https://example.com/\"><script>", "\"\"\" (U+0022) at character 21"),
            ("https://example.com/\u{202e}fdp", "a direction control (U+202E) at character 21"),
            ("https://exam\u{200b}ple.com/", "an invisible character (U+200B) at character 13"),
        ] {
            assert_eq!(check(url, 0), Err(format!("must not contain {found}: percent-encode it")));
        }
        assert!(check("a b", 3).unwrap_err().contains("at character 5"));
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_is_a_web_url(text in "(https?:/?/?)?\\PC{0,30}") {
            if check(&text, 0).is_ok() {
                let url = url::Url::parse(&text).unwrap();
                prop_assert!(matches!(url.scheme(), "http" | "https") && url.has_host());
                prop_assert!(url.username().is_empty() && url.password().is_none());
            }
        }
    }
}
