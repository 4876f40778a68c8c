//! Numbers in base62, most significant digit first. It knows nothing about what they mean.

/// The digits, in the order of their bytes.
pub(crate) const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The number without leading zeros.
pub(crate) fn encode(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(char::from(DIGITS[usize::try_from(number % 62).unwrap_or(0)]));
        number /= 62;
        if number == 0 {
            return digits.iter().rev().collect();
        }
    }
}

/// The number of this text, which may have leading zeros. `None`: it is empty, not a number, or too large.
pub(crate) fn decode(text: &str) -> Option<u64> {
    let digit = |byte| DIGITS.binary_search(&byte).ok().and_then(|digit| u64::try_from(digit).ok());
    let number = text.bytes().try_fold(0_u64, |number, byte| number.checked_mul(62)?.checked_add(digit(byte)?))?;
    (!text.is_empty()).then_some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_is_written_like_this() {
        assert_eq!([0, 61, 62, 29_400_960].map(encode), ["0", "z", "10", "1zMX2"]);
        assert_eq!(["", "-", "é", "00z", "zzzzzzzzzzzzz"].map(decode), [None, None, None, Some(61), None]);
    }

    proptest! {
        #[test]
        fn every_number_is_read_back(number: u64) {
            prop_assert_eq!(decode(&encode(number)), Some(number));
        }
    }
}
