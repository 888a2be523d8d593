//! What is read from a file, and what is refused.

use super::super::{Fault, Table, TableKey, Value, parse};

/// The value of a file that returns `{ value }`.
fn item(value: &[u8]) -> Result<Value, Fault> {
    let mut table = parse(&[b"return { ", value, b" };\n"].concat())?;
    assert_eq!(table.len(), 1, "{value:?}");
    Ok(table.remove(&TableKey::Integer(1)).unwrap())
}

fn text(text: &str) -> Value {
    Value::Text(text.as_bytes().to_vec())
}

fn table(fields: &[(&str, Value)]) -> Table {
    fields
        .iter()
        .map(|(key, value)| (TableKey::text(key), value.clone()))
        .collect()
}

#[test]
fn every_version_of_prosodys_writer_is_read() {
    let expected = table(&[(
        "2018-05",
        Value::Table(table(&[
            ("client-?", Value::Integer(1)),
            ("geo-CN-?-?", Value::Integer(2)),
        ])),
    )]);
    for file in [
        // The manual of the Lua plugin.
        "-- monthly-visitors.dat\nreturn {\n  [\"2018-05\"] = {\n    [\"geo-CN-?-?\"] = 2;\n    [\"client-?\"] = 1;\n  };\n};\n",
        // 0.9 and 0.10.
        "return {\n\t[\"2018-05\"] = {\n\t\t[\"client-?\"] = 1;\n\t\t[\"geo-CN-?-?\"] = 2;\n\t};\n};",
        // The presets "oneline" and "compact" of 0.11 and later.
        "return { [\"2018-05\"] = { [\"client-?\"] = 1; [\"geo-CN-?-?\"] = 2 } };\n",
        "return {[\"2018-05\"]={[\"client-?\"]=1;[\"geo-CN-?-?\"]=2}};\n",
        // By hand.
        "return--[==[ a\n]] comment ]==]{\r\n['2018-05'] = {[ [[client-?]] ]=0x1,[\"geo-CN-?-?\"\n]=2,}} -- end",
    ] {
        assert_eq!(parse(file.as_bytes()).as_ref(), Ok(&expected), "{file}");
    }
}

#[test]
fn keys_may_be_names_numbers_and_items() {
    let read = parse(
        b"return {a = 1, _b2=2; 'x', nil, \"z\", [7] = 3; [2.0] = 4, [0.5]=5, [true]=6, n = nil}",
    )
    .unwrap();
    let expected = Table::from([
        (TableKey::text("a"), Value::Integer(1)),
        (TableKey::text("_b2"), Value::Integer(2)),
        (TableKey::Integer(1), text("x")),
        (TableKey::Integer(3), text("z")),
        (TableKey::Integer(7), Value::Integer(3)),
        (TableKey::Integer(2), Value::Integer(4)),
        (TableKey::Float(0.5f64.to_bits()), Value::Integer(5)),
        (TableKey::Boolean(true), Value::Integer(6)),
    ]);
    assert_eq!(read, expected);
}

#[test]
fn numbers_are_read_in_all_forms() {
    for (written, expected) in [
        ("2", Value::Integer(2)),
        ("-2", Value::Integer(-2)),
        ("- 2", Value::Integer(-2)),
        ("2.5", Value::Float(2.5)),
        ("1e+99", Value::Float(1e99)),
        ("-0x1.8p+1", Value::Float(-3.0)),
        ("0xe", Value::Integer(14)),
        ("math.huge", Value::Float(f64::INFINITY)),
        ("-math.huge", Value::Float(f64::NEG_INFINITY)),
        ("(1/0)", Value::Float(f64::INFINITY)),
        ("(-1/0)", Value::Float(f64::NEG_INFINITY)),
        ("-(1/0)", Value::Float(f64::NEG_INFINITY)),
        ("( 3 )", Value::Integer(3)),
    ] {
        assert_eq!(item(written.as_bytes()), Ok(expected), "{written}");
    }
    for written in ["(0/0)", "-(0/0)"] {
        let read = item(written.as_bytes());
        assert!(
            matches!(read, Ok(Value::Float(number)) if number.is_nan()),
            "{written}"
        );
    }
}

#[test]
fn strings_are_read_in_all_forms() {
    for (written, expected) in [
        (&br#""""#[..], &b""[..]),
        (br#""it's""#, b"it's"),
        (br#"'a "b"'"#, b"a \"b\""),
        (br#""\a\b\f\n\r\t\v\\\"\'""#, b"\x07\x08\x0c\n\r\t\x0b\\\"'"),
        (b"\"a\\\nb\"", b"a\nb"),
        (b"\"a\\\r\nb\"", b"a\nb"),
        (br#""\0\00012\255""#, b"\0\x0012\xff"),
        (br#""\x41\xfF""#, b"A\xff"),
        (b"\"a\\z \n\t b\"", b"ab"),
        (br#""\u{41}\u{E9}\u{65e5}\u{1F600}""#, "Aé日😀".as_bytes()),
        (br#""\u{7FFFFFFF}""#, b"\xfd\xbf\xbf\xbf\xbf\xbf"),
        (b"\"\xfc \xe6\x97\xa5\"", b"\xfc \xe6\x97\xa5"),
        (b"[[a\\n]]", b"a\\n"),
        (b"[[\r\na\r\nb]]", b"a\nb"),
        (b"[==[a]]b]=]c]==]", b"a]]b]=]c"),
    ] {
        assert_eq!(
            item(written),
            Ok(Value::Text(expected.to_vec())),
            "{}",
            written.escape_ascii()
        );
    }
}

#[test]
fn everything_else_is_refused_with_its_line() {
    for (file, line, reason) in [
        ("", 1, "the file is empty"),
        (" \n", 2, "expected 'return'"),
        ("-- nothing\n", 2, "expected 'return'"),
        ("\0\0\0\0", 1, "expected 'return'"),
        ("{}", 1, "expected 'return'"),
        ("return", 1, "expected a table"),
        ("return nil", 1, "expected a table"),
        ("return 5", 1, "expected a table"),
        ("return {", 1, "expected a value"),
        ("return {\n\t[\"a\"] = 2", 2, "expected ';' or '}'"),
        ("return {\n\t[\"a\"] = ", 2, "expected a value"),
        ("return {\n\t[\"a", 2, "the string does not end"),
        ("return { \"a\nb\" }", 2, "the string does not end"),
        ("return {\n\n[[a", 3, "the long bracket does not end"),
        ("return {} --[[ a", 1, "the long bracket does not end"),
        ("return {};\nos.exit()", 2, "something follows the table"),
        ("return {};;", 1, "something follows the table"),
        ("return {}, {}", 1, "something follows the table"),
        ("return {\nos.exit() }", 2, "a word that is no data"),
        ("return { f = function() end }", 1, "a word that is no data"),
        ("return { math.hugely }", 1, "a word that is no data"),
        ("return { math.pi }", 1, "malformed number"),
        ("return { inf }", 1, "a word that is no data"),
        ("return { end = 1 }", 1, "a word that is no data"),
        ("return { 1 + 1 }", 1, "expected ';' or '}'"),
        ("return { 2^53 }", 1, "expected ';' or '}'"),
        ("return { \"a\" .. \"b\" }", 1, "expected ';' or '}'"),
        ("return { 12x }", 1, "malformed number"),
        ("return { (1/0 }", 1, "expected ')'"),
        ("return { ((1)) }", 1, "malformed number"),
        ("return { [1 = 2 }", 1, "expected ']'"),
        ("return { [1] 2 }", 1, "expected '='"),
        ("return { [nil] = 2 }", 1, "nil as a key"),
        ("return { [(0/0)] = 2 }", 1, "NaN as a key"),
        ("return { [{}] = 2 }", 1, "a table as a key"),
        ("return { a = 1, a = 2 }", 1, "a key is there twice"),
        ("return { 'x', [1] = 2 }", 1, "a key is there twice"),
        ("return { '\\q' }", 1, "an escape that Lua does not know"),
        ("return { '\\256' }", 1, "the number of a byte is above 255"),
        ("return { '\\x4' }", 1, "\\x needs two hexadecimal digits"),
        (
            "return { '\\u{}' }",
            1,
            "\\u needs hexadecimal digits in braces",
        ),
        (
            "return { '\\u{80000000}' }",
            1,
            "the number of a character is too large",
        ),
    ] {
        assert_eq!(
            parse(file.as_bytes()),
            Err(Fault { line, reason }),
            "{file:?}"
        );
    }
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| format!("return {}{}", "{".repeat(depth), "}".repeat(depth));
    assert!(parse(nested(128).as_bytes()).is_ok());
    for depth in [129, 1_000_000] {
        let fault = parse(nested(depth).as_bytes()).unwrap_err();
        assert_eq!(fault.reason, "tables are nested too deeply", "{depth}");
    }
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let whole = b"return {\n\t[\"2026-11\"] = {\n\t\t[\"geo-DE-HE-2925533\"] = 2;\n\t};\n}";
    assert!(parse(whole).is_ok());
    for len in 0..whole.len() {
        assert!(parse(&whole[..len]).is_err(), "cut after {len} bytes");
    }
}
