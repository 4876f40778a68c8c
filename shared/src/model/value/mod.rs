//! The values that fields hold, each parsed at the door: a value that exists is valid.
//!
//! Their `Deserialize` is for rows that were stored, and takes them as they are, so that a rule made stricter later
//! leaves old rows readable. They know nothing of what has such fields.

mod choice;
mod count;
mod email;
mod list;
mod money;
mod plain;
mod string;
mod url;

pub use choice::Choice;
pub(crate) use choice::{choices, not_one_of, parse_choice};
pub use count::Count;
pub use email::{Email, InvalidEmail};
pub use list::MAX_ENTRIES;
pub use money::{Amount, Currency, Period, Salary};
pub use plain::{LongText, ShortText};
pub use string::{MAX_LONG_TEXT, MAX_SHORT_TEXT, MAX_URL};
pub use url::WebUrl;
