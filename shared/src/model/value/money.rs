//! A job's pay: amounts that are kept to the last digit, in the currencies of ISO 4217. It knows no job.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};
use utoipa::{
    ToSchema,
    openapi::{RefOr, Schema, schema::Type},
};

use super::choice::choices;
use crate::model::{
    digits::{MAX_DIGITS, significant_digits},
    field::{Describer, Field, Fields, FromFields, Problem, Problems, Reader},
    schema::{schemas, simple},
    text::shown,
};

/// The largest integer of [`MAX_DIGITS`] digits.
const MAX_AMOUNT: f64 = 999_999_999_999_999.0;
/// The most decimal places of any currency.
const MAX_DECIMALS: usize = 4;

/// An amount of money: 0 to 999,999,999,999,999, with at most [`MAX_DIGITS`] significant digits.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Deserialize)]
#[serde(transparent)]
pub struct Amount(f64);

/// It is never NaN, so it equals itself.
impl Eq for Amount {}

impl Amount {
    /// How many decimal places it has.
    fn decimals(self) -> usize {
        self.0.to_string().split_once('.').map_or(0, |(_, decimals)| decimals.len())
    }
}

impl Field for Amount {
    fn parse(value: &Value, at: &str, problems: &mut Problems) -> Option<Self> {
        let Some(amount) = value.as_f64() else {
            return problems.wrong_type(at, "a number", value);
        };
        if amount < 0.0 {
            return problems.note(at, Problem::OutOfRange, format!("must not be negative (got {value})"));
        }
        if amount > MAX_AMOUNT {
            return problems.note(at, Problem::OutOfRange, format!("must be at most {MAX_AMOUNT} (got {value})"));
        }
        let digits = significant_digits(&amount.to_string());
        if digits > MAX_DIGITS {
            let message = format!("must have at most {MAX_DIGITS} significant digits (got {digits} in {value})");
            return problems.note(at, Problem::OutOfRange, message);
        }
        // Minus zero is zero.
        Some(Self(amount.abs()))
    }

    fn describe(schemas: &mut impl Describer) -> RefOr<Schema> {
        schemas.refer::<Self>()
    }
}

/// A whole amount is written as a whole number: `60000`, but `18.5`.
impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.fract() == 0.0 {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in 0..=MAX_AMOUNT")]
            serializer.serialize_u64(self.0 as u64)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

/// A currency: its ISO 4217 code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Currency(String);

impl Currency {
    /// The maximum decimal places of an amount in it. `None`: ISO 4217 lists no such currency, or defines no minor unit for it, as for
    /// gold.
    fn decimals(&self) -> Option<usize> {
        iso_currency::Currency::from_code(&self.0)?.exponent().map(usize::from)
    }
}

impl Field for Currency {
    fn parse(value: &Value, at: &str, problems: &mut Problems) -> Option<Self> {
        let Value::String(code) = value else {
            return problems.wrong_type(at, "a string", value);
        };
        if code.len() != 3 || !code.bytes().all(|byte| byte.is_ascii_uppercase()) {
            let message =
                format!("must be a three-letter ISO 4217 code in uppercase, such as EUR (got \"{}\")", shown(code));
            return problems.note(at, Problem::InvalidFormat, message);
        }
        let currency = Self(code.clone());
        if currency.decimals().is_none() {
            let message = format!("must be an ISO 4217 currency code, such as EUR: {code} is not one");
            return problems.note(at, Problem::InvalidValue, message);
        }
        Some(currency)
    }

    fn describe(schemas: &mut impl Describer) -> RefOr<Schema> {
        schemas.refer::<Self>()
    }
}

choices! {
    /// Pay period.
    Period {
        /// Per hour.
        Hour = "hour",
        /// Per day.
        Day = "day",
        /// Per week.
        Week = "week",
        /// Per month.
        Month = "month",
        /// Per year.
        Year = "year",
    }
}

/// What a job pays: `min`, `max` or both, in `currency` per `period`. An update replaces the whole object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({ "min": 52000, "max": 61000, "currency": "EUR", "period": "year" }))]
pub struct Salary {
    /// Minimum pay. At most 15 significant digits, and no more decimal places than the currency has (ISO 4217): two for EUR, none for
    /// JPY, three for KWD. At least one of `min` and `max` is required.
    min: Option<Amount>,
    /// Maximum pay, within the same limits. Must not be less than `min`.
    max: Option<Amount>,
    /// ISO 4217 currency code, such as EUR.
    currency: Currency,
    /// Period that the amounts are paid for.
    period: Period,
}

impl FromFields for Salary {
    type Object = Self;

    const READ_ONLY: &'static [&'static str] = &[];

    fn example() -> Value {
        json!({ "min": 52000, "max": 61000, "currency": "EUR", "period": "year" })
    }

    fn from_fields(fields: &mut impl Fields) -> Option<Self> {
        let min = fields.optional::<Amount>("min");
        let max = fields.optional::<Amount>("max");
        let currency = fields.required::<Currency>("currency");
        let period = fields.required("period");
        for (name, amount) in [("min", min), ("max", max)] {
            if let Some(message) = amount.and_then(|amount| too_fine(amount, currency.as_ref())) {
                fields.note(name, Problem::OutOfRange, &message);
            }
        }
        match (min, max) {
            (None, None) if !fields.mentions("min") && !fields.mentions("max") => {
                fields.note("min", Problem::Required, "is required without max");
            }
            (Some(min), Some(max)) if min > max => {
                fields.note("max", Problem::OutOfRange, &format!("must not be less than min ({} < {})", max.0, min.0));
            }
            _ => {}
        }
        Some(Self { min, max, currency: currency?, period: period? })
    }
}

/// The message about an amount that has more decimal places than its currency, or than any currency if that one is invalid.
fn too_fine(amount: Amount, currency: Option<&Currency>) -> Option<String> {
    let most = currency.and_then(Currency::decimals).unwrap_or(MAX_DECIMALS);
    let decimals = amount.decimals();
    (decimals > most).then(|| {
        let unit = currency.map(|Currency(code)| format!(" in {code}")).unwrap_or_default();
        let limit = if most == 0 { "no decimal places".to_owned() } else { format!("at most {most} decimal places") };
        format!("must have {limit}{unit} (got {decimals} in {})", amount.0)
    })
}

impl Field for Salary {
    fn parse(value: &Value, at: &str, problems: &mut Problems) -> Option<Self> {
        Reader::nested(value, at, problems)
    }

    fn describe(schemas: &mut impl Describer) -> RefOr<Schema> {
        schemas.refer_fields::<Self>("NewSalary")
    }
}

schemas! {
    Amount: simple(Type::Number).minimum(Some(0)).maximum(Some(999_999_999_999_999_u64)).description(Some(
        "At most 15 significant digits, and no more decimal places than the currency has."
    ));
    Currency: simple(Type::String)
        .pattern(Some("^[A-Z]{3}$"))
        .description(Some("ISO 4217 currency code, such as EUR."));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::body;

    /// A salary's `max` after a round trip, as JSON, or what is wrong with the salary.
    fn taken(salary: &str) -> Result<String, String> {
        let value: Value = serde_json::from_str(salary).unwrap();
        let mut problems = Problems::default();
        match Salary::parse(&value, "salary", &mut problems) {
            Some(salary) if problems.is_empty() => Ok(serde_json::to_string(&salary.max).unwrap()),
            _ => Err(problems.into_details().into_iter().map(|detail| detail.message).collect::<Vec<_>>().join(" ")),
        }
    }

    fn of(max: &str, currency: &str) -> Result<String, String> {
        taken(&format!(r#"{{"max":{max},"currency":"{currency}","period":"year"}}"#))
    }

    #[test]
    fn an_amount_comes_back_to_the_last_digit() {
        for (sent, currency, back) in [
            ("0", "EUR", "0"),
            ("-0", "EUR", "0"),
            ("-0.0", "EUR", "0"),
            ("1.0", "JPY", "1"),
            ("1e3", "VND", "1000"),
            ("1.5E+3", "VND", "1500"),
            ("185e-1", "EUR", "18.5"),
            ("0.1", "EUR", "0.1"),
            ("0.30", "EUR", "0.3"),
            ("999999999999999", "IRR", "999999999999999"),
            ("9999999999999.99", "EUR", "9999999999999.99"),
            ("99999999999.9999", "CLF", "99999999999.9999"),
            ("999999999999.999", "KWD", "999999999999.999"),
            ("25000000000", "IDR", "25000000000"),
            ("0.0001", "UYW", "0.0001"),
        ] {
            assert_eq!(of(sent, currency).as_deref(), Ok(back), "{sent} {currency}");
        }
    }

    #[test]
    fn an_amount_out_of_bounds_is_rejected_with_the_bound_and_the_input() {
        for (sent, currency, words) in [
            ("-1", "EUR", "salary.max must not be negative (got -1)."),
            ("1e15", "IRR", "salary.max must be at most 999999999999999 (got 1000000000000000.0)."),
            ("1000000000000000", "IRR", "salary.max must be at most 999999999999999 (got 1000000000000000)."),
            ("1e308", "EUR", "salary.max must be at most 999999999999999 (got 1e+308)."),
            ("1.005", "EUR", "salary.max must have at most 2 decimal places in EUR (got 3 in 1.005)."),
            ("0.5", "JPY", "salary.max must have no decimal places in JPY (got 1 in 0.5)."),
            ("1.0005", "KWD", "salary.max must have at most 3 decimal places in KWD (got 4 in 1.0005)."),
            ("0.00001", "CLF", "salary.max must have at most 4 decimal places in CLF (got 5 in 0.00001)."),
            (
                "0.30000000000000004",
                "EUR",
                "salary.max must have at most 15 significant digits (got 17 in 0.30000000000000004).",
            ),
            ("\"1\"", "EUR", "salary.max must be a number, not a string."),
            (
                "1",
                "eur",
                "salary.currency must be a three-letter ISO 4217 code in uppercase, such as EUR (got \"eur\").",
            ),
            ("1", "€", "salary.currency must be a three-letter ISO 4217 code in uppercase, such as EUR (got \"€\")."),
            ("1", "XYZ", "salary.currency must be an ISO 4217 currency code, such as EUR: XYZ is not one."),
        ] {
            assert_eq!(of(sent, currency), Err(words.to_owned()));
        }
        for metal in ["XAU", "XXX", "XTS"] {
            assert!(of("1", metal).is_err(), "{metal}");
        }
        assert_eq!(
            of("1.23456", "ABC").unwrap_err(),
            "salary.currency must be an ISO 4217 currency code, such as EUR: ABC is not one. \
             salary.max must have at most 4 decimal places (got 5 in 1.23456)."
        );
        assert_eq!(
            taken(r#"{"min":2.5,"max":1,"currency":"EUR","period":"day"}"#).unwrap_err(),
            "salary.max must not be less than min (1 < 2.5)."
        );
        assert_eq!(taken(r#"{"currency":"EUR","period":"day"}"#).unwrap_err(), "salary.min is required without max.");
        assert!(body::parse::<Salary>(&json!([])).is_err());
    }

    proptest! {
        #[test]
        fn any_number_of_fifteen_digits_is_kept(digits in 0_u64..=999_999_999_999_999, decimals in 0_usize..=4) {
            let text = format!("{digits:0>width$}", width = decimals + 1);
            let (whole, fraction) = text.split_at(text.len() - decimals);
            let sent = if decimals == 0 { whole.to_owned() } else { format!("{whole}.{fraction}") };
            let back = of(&sent, "CLF").unwrap();
            let plain = if decimals == 0 { sent } else { sent.trim_end_matches('0').trim_end_matches('.').to_owned() };
            prop_assert_eq!(back, plain);
        }
    }
}
