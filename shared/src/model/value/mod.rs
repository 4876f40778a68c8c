//! The values of fields, each parsed when it is received: a value that exists is valid. It knows nothing about what has such fields.
//!
//! `Deserialize` reads stored rows and skips the checks, so that old rows stay readable when a rule becomes stricter.

mod choice;
mod count;
mod email;
mod email_domain;
mod invalid_email;
mod list;
mod money;
mod plain;
mod string;
mod url;

pub use choice::Choice;
pub(crate) use choice::{choices, not_one_of, parse_choice};
pub use count::Count;
pub use email::Email;
pub use invalid_email::InvalidEmail;
pub use list::MAX_ENTRIES;
pub use money::{Amount, Currency, Period, Salary};
pub use plain::{LongText, ShortText};
pub use string::{MAX_LONG_TEXT, MAX_SHORT_TEXT, MAX_URL};
pub use url::WebUrl;
