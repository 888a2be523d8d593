//! The file of a closed month: totals only.
//!
//! Sorted, without time stamps: equal totals give equal bytes, whoever the
//! users were and whenever they came.

use serde::{Deserialize, Serialize};

use crate::{Counts, Error, Key, Month, MonthTotals};

const FORMAT: &str = "monthly-visitors closed month";
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClosedMonth {
    format: String,
    version: u32,
    month: String,
    incomplete: bool,
    counts: std::collections::BTreeMap<String, u64>,
}

/// The bytes of the file.
pub(super) fn write(month: Month, counts: &Counts, incomplete: bool) -> Result<Vec<u8>, Error> {
    let file = ClosedMonth {
        format: FORMAT.into(),
        version: VERSION,
        month: month.to_string(),
        incomplete,
        counts: counts
            .iter()
            .map(|(key, &count)| (key.to_string(), count))
            .collect(),
    };
    let mut bytes = serde_json::to_vec_pretty(&file)
        .map_err(|error| Error::storage(format_args!("cannot close {month}"), error))?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// What the file says, or why it cannot be used.
pub(super) fn read(month: Month, bytes: &[u8]) -> Result<MonthTotals, String> {
    let file: ClosedMonth = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
    if file.format != FORMAT || file.version != VERSION {
        return Err("it is of an unknown format or version".into());
    }
    if file.month != month.to_string() {
        return Err("it is of another month".into());
    }
    Ok(MonthTotals {
        counts: file
            .counts
            .iter()
            .map(|(key, &count)| (Key::new(key), count))
            .collect(),
        open: false,
        incomplete: file.incomplete,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_text_that_depends_on_the_totals_alone() {
        let month = "2026-10".parse().unwrap();
        let counts = Counts::from([(Key::new("geo-?-?-?"), 2), (Key::new("client-\"ü"), 2)]);
        let bytes = write(month, &counts, false).unwrap();
        let expected = "{\n  \"format\": \"monthly-visitors closed month\",\n  \"version\": 1,\n  \
                        \"month\": \"2026-10\",\n  \"incomplete\": false,\n  \"counts\": {\n    \
                        \"client-\\\"ü\": 2,\n    \"geo-?-?-?\": 2\n  }\n}\n";
        assert_eq!(str::from_utf8(&bytes).unwrap(), expected);
        let totals = read(month, &bytes).unwrap();
        assert_eq!(
            (totals.counts, totals.open, totals.incomplete),
            (counts, false, false)
        );
    }

    #[test]
    fn says_why_a_file_cannot_be_used() {
        let good = write("2026-10".parse().unwrap(), &Counts::new(), true).unwrap();
        let text = String::from_utf8(good).unwrap();
        for wrong in [
            String::new(),
            text[..text.len() - 3].to_owned(),
            text.replace("2026-10", "2026-09"),
            text.replace("\"version\": 1", "\"version\": 2"),
            text.replace("closed month", "open month"),
            text.replace("\"counts\": {}", "\"counts\": {\"a\": -1}"),
        ] {
            assert!(
                read("2026-10".parse().unwrap(), wrong.as_bytes()).is_err(),
                "{wrong}"
            );
        }
    }
}
