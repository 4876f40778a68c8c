//! Closed sets: enums each of whose values is written in one way, and told in one sentence, everywhere.

/// Makes an enum of its values, each with its words as a doc comment and its text: `/// Public.` `Open = "open",`.
macro_rules! closed_set {
    ($(#[$attribute:meta])+ $name:ident { $(#[doc = $about:literal] $variant:ident = $text:literal,)* }) => {
        $(#[$attribute])+
        pub enum $name {
            $(#[doc = $about] #[serde(rename = $text)] $variant,)*
        }

        impl $name {
            /// Every value there is.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The value as it is written.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The value that is written so.
            #[must_use]
            pub fn named(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text)
            }

            /// What it means, in a sentence.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => $about.trim_ascii(),)* }
            }
        }
    };
}
pub(crate) use closed_set;
