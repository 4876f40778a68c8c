//! How many digits of a number are kept, and how many a number has. It knows no field.

/// Both a double (IEEE 754) and DynamoDB store any decimal number of up to 15 significant digits without losing one.
pub const MAX_DIGITS: usize = 15;
/// Counts the digits of a JSON number from its first nonzero digit to its last. Trailing zeros are insignificant decimals, or a power
/// of ten.
pub(crate) fn significant_digits(number: &str) -> usize {
    let digits = number.split(['e', 'E']).next().unwrap_or_default();
    digits.trim_start_matches(['-', '0', '.']).replace('.', "").trim_end_matches('0').len()
}
