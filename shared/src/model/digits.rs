//! The digits of a number that are kept.

/// A double tells all decimal numbers of so many significant digits apart (IEEE 754), and so does DynamoDB: no digit is lost on
/// the way.
pub const MAX_DIGITS: usize = 15;
/// How many digits a number in JSON has from its first that is not zero to its last that is not: zeros that end it are decimals that
/// say nothing, or a power of ten.
pub(crate) fn significant_digits(number: &str) -> usize {
    let digits = number.split(['e', 'E']).next().unwrap_or_default();
    digits.trim_start_matches(['-', '0', '.']).replace('.', "").trim_end_matches('0').len()
}
