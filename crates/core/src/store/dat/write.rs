//! Writes tables.

use std::fmt::Write;

use super::{Table, TableKey, Value};

/// A file that returns `table`.
pub(super) fn file(table: &Table) -> String {
    let mut out = String::from("return ");
    push_table(&mut out, table, 1);
    out.push_str(";\n");
    out
}

fn push_table(out: &mut String, table: &Table, depth: usize) {
    if table.is_empty() {
        out.push_str("{}");
        return;
    }
    let indent = |out: &mut String, depth| out.extend(std::iter::repeat_n('\t', depth));
    out.push_str("{\n");
    let mut next_item = 1;
    for (key, value) in table {
        indent(out, depth);
        if *key == TableKey::Integer(next_item) {
            next_item += 1;
        } else {
            out.push('[');
            push_key(out, key);
            out.push_str("] = ");
        }
        push_value(out, value, depth);
        out.push_str(";\n");
    }
    indent(out, depth - 1);
    out.push('}');
}

fn push_key(out: &mut String, key: &TableKey) {
    match key {
        TableKey::Integer(number) => push_integer(out, *number),
        TableKey::Float(bits) => push_float(out, f64::from_bits(*bits)),
        TableKey::Text(bytes) => push_text(out, bytes),
        TableKey::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
    }
}

fn push_value(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Integer(number) => push_integer(out, *number),
        Value::Float(number) => push_float(out, *number),
        Value::Text(bytes) => push_text(out, bytes),
        Value::Table(table) => push_table(out, table, depth + 1),
    }
}

fn push_integer(out: &mut String, number: i64) {
    if number == i64::MIN {
        // In decimal Lua would read a float: the minus is not part of the
        // numeral (manual, section 3.1).
        out.push_str("0x8000000000000000");
    } else {
        out.push_str(&number.to_string());
    }
}

fn push_float(out: &mut String, number: f64) {
    if number.is_nan() {
        out.push_str("(0/0)");
    } else if number.is_infinite() {
        out.push_str(if number > 0.0 { "(1/0)" } else { "(-1/0)" });
    } else {
        // The shortest digits that read back as the same float, with a point
        // or an exponent.
        let _ = write!(out, "{number:?}");
    }
}

/// Escapes what Prosody escapes, so that any tool sees plain ASCII.
fn push_text(out: &mut String, bytes: &[u8]) {
    out.push('"');
    for &byte in bytes {
        match byte {
            0x07 => out.push_str("\\a"),
            0x08 => out.push_str("\\b"),
            0x0c => out.push_str("\\f"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x0b => out.push_str("\\v"),
            b'\\' | b'"' | b'\'' => {
                out.push('\\');
                out.push(char::from(byte));
            }
            0x20..=0x7e => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "\\{byte:03}");
            }
        }
    }
    out.push('"');
}
