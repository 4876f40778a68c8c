//! Closed sets: enums whose values each have one text and one sentence of description, used everywhere. It knows none of the sets.

/// Defines an enum from its values, each with its description as a doc comment and its text: `/// Public.` `Open = "open",`.
macro_rules! closed_set {
    ($(#[$attribute:meta])+ $name:ident { $(#[doc = $about:literal] $variant:ident = $text:literal,)* }) => {
        $(#[$attribute])+
        pub enum $name {
            $(#[doc = $about] #[serde(rename = $text)] $variant,)*
        }

        impl $name {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The value's text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The value that has this text.
            #[must_use]
            pub fn named(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text)
            }

            /// What the value means, in one sentence.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => $about.trim_ascii(),)* }
            }
        }
    };
}
pub(crate) use closed_set;
