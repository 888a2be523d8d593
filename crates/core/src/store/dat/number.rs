//! Lua's numerals (manual of Lua 5.4, section 3.1).

use super::Value;

/// The value of a numeral without a sign.
pub(super) fn parse(numeral: &[u8]) -> Option<Value> {
    let numeral = std::str::from_utf8(numeral).ok()?;
    if let Some(digits) = numeral
        .strip_prefix("0x")
        .or_else(|| numeral.strip_prefix("0X"))
    {
        return hexadecimal(digits);
    }
    if numeral.bytes().all(|byte| byte.is_ascii_digit()) {
        if let Ok(whole) = numeral.parse() {
            return Some(Value::Integer(whole));
        }
    }
    // Rust would also read "inf" and "nan".
    numeral
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+' | b'-'))
        .then(|| numeral.parse().ok().map(Value::Float))
        .flatten()
}

/// The number with the opposite sign. An integer wraps around, as in Lua.
pub(super) fn negate(value: Value) -> Value {
    match value {
        Value::Integer(number) => Value::Integer(number.wrapping_neg()),
        Value::Float(number) => Value::Float(-number),
        other => other,
    }
}

/// The number as a float, for a division.
pub(super) fn float(value: &Value) -> Option<f64> {
    match value {
        // Lua converts in the same way, to the nearest float.
        #[allow(clippy::cast_precision_loss, reason = "as Lua does")]
        Value::Integer(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        _ => None,
    }
}

/// The integer that has the value of this float, if there is one.
pub(crate) fn whole(number: f64) -> Option<i64> {
    // 2⁶³ is the first float that is too large.
    let range = -9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0;
    #[allow(clippy::cast_possible_truncation, reason = "whole and in range")]
    (number.fract() == 0.0 && range.contains(&number)).then_some(number as i64)
}

/// Digits, perhaps a fraction, perhaps a power of two. Without either, an
/// integer that wraps around.
fn hexadecimal(text: &str) -> Option<Value> {
    let (mantissa, power) = match text.split_once(['p', 'P']) {
        Some((mantissa, power)) => (mantissa, Some(power)),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = whole.len() + fraction.unwrap_or_default().len();
    if digits == 0 {
        return None;
    }
    let mut integer: u64 = 0;
    let mut float: f64 = 0.0;
    for digit in whole.chars().chain(fraction.unwrap_or_default().chars()) {
        let digit = digit.to_digit(16)?;
        integer = integer.wrapping_mul(16).wrapping_add(u64::from(digit));
        float = float * 16.0 + f64::from(digit);
    }
    if power.is_none() && fraction.is_none() {
        return Some(Value::Integer(i64::from_le_bytes(integer.to_le_bytes())));
    }
    let power = match power {
        Some(power) if power.trim_start_matches(['+', '-']).is_empty() => return None,
        Some(power) => power.parse::<i64>().ok()?,
        None => 0,
    };
    let behind = i64::try_from(fraction.unwrap_or_default().len()).ok()?;
    Some(Value::Float(scale(float, power.saturating_sub(behind * 4))))
}

/// `number` · 2^`power`, in steps that are exact.
fn scale(mut number: f64, power: i64) -> f64 {
    // Beyond this, every float is 0 or infinite.
    let power = power.clamp(-4000, 4000);
    let step = if power < 0 { 0.5 } else { 2.0 };
    for _ in 0..power.unsigned_abs() {
        number *= step;
    }
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numerals_have_the_values_that_lua_gives_them() {
        for (numeral, expected) in [
            ("0", Value::Integer(0)),
            ("007", Value::Integer(7)),
            ("9223372036854775807", Value::Integer(i64::MAX)),
            (
                "9223372036854775808",
                Value::Float(9.223_372_036_854_776e18),
            ),
            ("3.", Value::Float(3.0)),
            (".5", Value::Float(0.5)),
            ("5.e2", Value::Float(500.0)),
            ("1e99", Value::Float(1e99)),
            ("1e+99", Value::Float(1e99)),
            ("1E-2", Value::Float(0.01)),
            ("1e9999", Value::Float(f64::INFINITY)),
            ("0x10", Value::Integer(16)),
            ("0XfF", Value::Integer(255)),
            ("0xffffffffffffffff", Value::Integer(-1)),
            ("0x8000000000000000", Value::Integer(i64::MIN)),
            ("0x1p4", Value::Float(16.0)),
            ("0x1.8p+1", Value::Float(3.0)),
            ("0xA.8", Value::Float(10.5)),
            ("0x.1", Value::Float(0.0625)),
            ("0x1.999999999999ap-4", Value::Float(0.1)),
            ("0x1p-1074", Value::Float(5e-324)),
            ("0x1p99999", Value::Float(f64::INFINITY)),
        ] {
            assert_eq!(parse(numeral.as_bytes()), Some(expected), "{numeral}");
        }
    }

    #[test]
    fn everything_else_is_no_numeral() {
        for numeral in [
            "", ".", "e5", "1e", "1e+", "1.2.3", "inf", "nan", "0x", "0x.", "0xg", "0x1p", "0x1p+",
            "1_000", "0x1p+-2", "12a",
        ] {
            assert_eq!(parse(numeral.as_bytes()), None, "{numeral}");
        }
    }
}
