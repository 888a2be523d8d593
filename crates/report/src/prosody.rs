//! Totals as the Lua plugin's file `monthly%2dvisitors.dat`.

use std::fmt::Write as _;

use monthly_visitors::Totals;

/// A Lua chunk that returns the totals, months and keys sorted.
pub(crate) fn text(totals: &Totals) -> String {
    let mut text = String::from("return {\n");
    for (month, found) in totals {
        // Writing into a `String` cannot fail.
        let _ = writeln!(text, "\t[\"{month}\"] = {{");
        for (key, count) in &found.counts {
            let _ = writeln!(text, "\t\t[\"{}\"] = {count};", quoted(key.as_str()));
        }
        text.push_str("\t};\n");
    }
    text.push_str("};\n");
    text
}

/// The inside of a Lua string (Lua 5.1 manual, 2.1).
fn quoted(key: &str) -> String {
    let mut text = String::with_capacity(key.len());
    for character in key.chars() {
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            // Three digits, lest one that follows be read as a part of it.
            '\0'..' ' | '\x7f' => {
                let _ = write!(text, "\\{:03}", u32::from(character));
            }
            _ => text.push(character),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use monthly_visitors::{Key, MonthTotals};

    use super::*;

    #[test]
    fn is_what_the_lua_plugin_reads() {
        let mut month = MonthTotals::default();
        month.counts.insert(Key::new("geo-DE-HE-2925533"), 2);
        month.counts.insert(Key::new("client-?"), 1);
        month.counts.insert(Key::new("client-a\"\\\r\n\u{1}2é"), 1);
        let totals = Totals::from([("2018-05".parse().unwrap(), month)]);
        assert_eq!(
            text(&totals),
            "return {\n\t[\"2018-05\"] = {\n\t\t[\"client-?\"] = 1;\n\
             \t\t[\"client-a\\\"\\\\\\r\\n\\0012é\"] = 1;\n\
             \t\t[\"geo-DE-HE-2925533\"] = 2;\n\t};\n};\n"
        );
    }

    #[test]
    fn no_totals_are_an_empty_table() {
        assert_eq!(text(&Totals::new()), "return {\n};\n");
    }
}
