//! Numbers as people read them.

/// `1234567` as "1 234 567".
///
/// A space is the separator of ISO 80000: a point or a comma would mean
/// decimals to half of the readers.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// "1 user", "2 users".
pub(crate) fn counted(number: u64, one: &str, many: &str) -> String {
    let word = if number == 1 { one } else { many };
    format!("{} {word}", grouped(number))
}

/// What part of `whole` is `count`: "12.5%". Rounded, except that somebody is
/// never nobody: what would be 0.0% is "<0.1%".
pub(crate) fn share(count: u64, whole: u64) -> String {
    match per_mille(count, whole) {
        None => String::new(),
        Some(0) if count > 0 => "<0.1%".into(),
        Some(part) => percent(part),
    }
}

/// From `before` to `now`: "+3", "-1 200", "0".
pub(crate) fn difference(before: u64, now: u64) -> String {
    let sign = sign(before, now);
    format!("{sign}{}", grouped(now.abs_diff(before)))
}

/// From `before` to `now` in percent of `before`: "+50.0%"; empty when there
/// was nothing before.
pub(crate) fn relative(before: u64, now: u64) -> String {
    per_mille(now.abs_diff(before), before).map_or_else(String::new, |part| {
        format!("{}{}", sign(before, now), percent(part))
    })
}

fn sign(before: u64, now: u64) -> &'static str {
    match now.cmp(&before) {
        std::cmp::Ordering::Less => "-",
        std::cmp::Ordering::Equal => "",
        std::cmp::Ordering::Greater => "+",
    }
}

/// Rounded half up, in integers: a float would not hold every count.
fn per_mille(count: u64, whole: u64) -> Option<u128> {
    let (count, whole) = (u128::from(count), u128::from(whole));
    (count * 2000 + whole).checked_div(whole * 2)
}

fn percent(per_mille: u128) -> String {
    format!("{}.{}%", per_mille / 10, per_mille % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_by_three_digits() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1 000"),
            (123_456, "123 456"),
            (1_234_567, "1 234 567"),
            (u64::MAX, "18 446 744 073 709 551 615"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }

    #[test]
    fn shares_are_rounded_and_nobody_is_rounded_away() {
        for (count, whole, text) in [
            (1, 2, "50.0%"),
            (1, 3, "33.3%"),
            (2, 3, "66.7%"),
            (1, 1000, "0.1%"),
            (1, 2001, "<0.1%"),
            (0, 5, "0.0%"),
            (5, 5, "100.0%"),
            (u64::MAX, u64::MAX, "100.0%"),
            (0, 0, ""),
        ] {
            assert_eq!(share(count, whole), text, "{count} of {whole}");
        }
    }

    #[test]
    fn changes_have_a_sign_and_no_percentage_of_nothing() {
        for (before, now, absolute, percentage) in [
            (2, 3, "+1", "+50.0%"),
            (3, 2, "-1", "-33.3%"),
            (4, 4, "0", "0.0%"),
            (0, 4, "+4", ""),
            (5, 0, "-5", "-100.0%"),
            (1, 2001, "+2 000", "+200000.0%"),
            (0, u64::MAX, "+18 446 744 073 709 551 615", ""),
        ] {
            assert_eq!(difference(before, now), absolute, "{before} to {now}");
            assert_eq!(relative(before, now), percentage, "{before} to {now}");
        }
    }
}
