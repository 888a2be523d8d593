//! Reads tables. Understands the part of Lua's grammar that is data, and
//! executes nothing.

use super::text::is_space;
use super::{Fault, MAX_DEPTH, Table, TableKey, Value, number};

/// What reading a part gives.
pub(super) type Read<T> = Result<T, Fault>;

/// Words that cannot be a key without quotes (manual of Lua 5.4, section 3.1).
const KEYWORDS: [&[u8]; 22] = [
    b"and",
    b"break",
    b"do",
    b"else",
    b"elseif",
    b"end",
    b"false",
    b"for",
    b"function",
    b"goto",
    b"if",
    b"in",
    b"local",
    b"nil",
    b"not",
    b"or",
    b"repeat",
    b"return",
    b"then",
    b"true",
    b"until",
    b"while",
];

/// The table that the file returns.
pub(super) fn file(bytes: &[u8]) -> Read<Table> {
    let mut reader = Reader { bytes, at: 0 };
    if bytes.is_empty() {
        return reader.fault("the file is empty");
    }
    reader.skip_space()?;
    if reader.word() != b"return" {
        return reader.fault("expected 'return'");
    }
    reader.skip_space()?;
    if reader.peek() != Some(b'{') {
        return reader.fault("expected a table");
    }
    let table = reader.table(1)?;
    reader.skip_space()?;
    reader.take(b';');
    reader.skip_space()?;
    if reader.peek().is_some() {
        return reader.fault("something follows the table");
    }
    Ok(table)
}

/// A place in the bytes of a file.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// The bytes not yet read.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(super) fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    pub(super) fn skip_bytes(&mut self, count: usize) {
        self.at = self.bytes.len().min(self.at + count);
    }

    /// The refusal of what is before or at this place.
    pub(super) fn fault<T>(&self, reason: &'static str) -> Read<T> {
        let before = self.bytes.get(..self.at).unwrap_or_default();
        Err(Fault {
            line: before.split(|&byte| byte == b'\n').count(),
            reason,
        })
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    /// Skips white space and comments.
    fn skip_space(&mut self) -> Read<()> {
        loop {
            if self.peek().is_some_and(is_space) {
                self.at += 1;
            } else if self.rest().starts_with(b"--") {
                self.at += 2;
                if self.long_bracket()?.is_none() {
                    let line = self.rest().iter().take_while(|&&byte| byte != b'\n');
                    self.at += line.count();
                }
            } else {
                return Ok(());
            }
        }
    }

    /// The name or keyword that is next; empty if there is none.
    fn word(&mut self) -> &'a [u8] {
        let rest = self.rest();
        let len = rest
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
            .count();
        if rest.first().is_some_and(u8::is_ascii_digit) {
            return b"";
        }
        self.at += len;
        rest.get(..len).unwrap_or_default()
    }

    /// A table; the next byte is its brace.
    fn table(&mut self, depth: usize) -> Read<Table> {
        if depth > MAX_DEPTH {
            return self.fault("tables are nested too deeply");
        }
        self.at += 1;
        let mut table = Table::new();
        let mut items = 0;
        loop {
            self.skip_space()?;
            if self.take(b'}') {
                return Ok(table);
            }
            let key = if let Some(key) = self.key()? {
                key
            } else {
                items += 1;
                TableKey::Integer(items)
            };
            // Nothing but a value can hold the place of a nil item.
            if let Some(value) = self.value(depth)? {
                if table.insert(key, value).is_some() {
                    return self.fault("a key is there twice");
                }
            }
            self.skip_space()?;
            if !self.take(b';') && !self.take(b',') && self.peek() != Some(b'}') {
                return self.fault("expected ';' or '}'");
            }
        }
    }

    /// The key of a field with its `=`, or `None` before an item of a list.
    fn key(&mut self) -> Read<Option<TableKey>> {
        let start = self.at;
        let key = match self.rest() {
            [b'[', b'[' | b'=', ..] => return Ok(None),
            [b'[', ..] => {
                self.at += 1;
                let key = self.bracketed_key()?;
                self.skip_space()?;
                if !self.take(b']') {
                    return self.fault("expected ']'");
                }
                key
            }
            _ => {
                let word = self.word();
                let name = !word.is_empty() && !KEYWORDS.contains(&word);
                self.skip_space()?;
                if !name || self.peek() != Some(b'=') {
                    self.at = start;
                    return Ok(None);
                }
                TableKey::Text(word.to_vec())
            }
        };
        self.skip_space()?;
        if !self.take(b'=') {
            return self.fault("expected '='");
        }
        Ok(Some(key))
    }

    fn bracketed_key(&mut self) -> Read<TableKey> {
        self.skip_space()?;
        if self.peek() == Some(b'{') {
            return self.fault("a table as a key");
        }
        match self.value(0)? {
            Some(Value::Integer(number)) => Ok(TableKey::Integer(number)),
            Some(Value::Float(number)) if number.is_nan() => self.fault("NaN as a key"),
            // Lua makes whole floats integers when they are keys.
            Some(Value::Float(number)) => {
                Ok(number::whole(number)
                    .map_or(TableKey::Float(number.to_bits()), TableKey::Integer))
            }
            Some(Value::Text(text)) => Ok(TableKey::Text(text)),
            Some(Value::Boolean(value)) => Ok(TableKey::Boolean(value)),
            Some(Value::Table(_)) | None => self.fault("nil as a key"),
        }
    }

    /// A value in a table of this depth; `None` for nil.
    fn value(&mut self, depth: usize) -> Read<Option<Value>> {
        self.skip_space()?;
        Ok(Some(match self.peek() {
            Some(b'{') => Value::Table(self.table(depth + 1)?),
            Some(b'"' | b'\'') => Value::Text(self.quoted()?),
            Some(b'[') => match self.long_bracket()? {
                Some(text) => Value::Text(text),
                None => return self.fault("expected a value"),
            },
            Some(b'-' | b'(' | b'.' | b'0'..=b'9') => self.number()?,
            _ => {
                let start = self.at;
                match self.word() {
                    b"true" => Value::Boolean(true),
                    b"false" => Value::Boolean(false),
                    b"nil" => return Ok(None),
                    b"math" => {
                        self.at = start;
                        self.number()?
                    }
                    b"" => return self.fault("expected a value"),
                    _ => return self.fault("a word that is no data"),
                }
            }
        }))
    }

    /// A number, with its sign and the few forms that stand for a number that
    /// Lua has no numeral for: `math.huge`, `(1/0)`, `-(0/0)`.
    fn number(&mut self) -> Read<Value> {
        self.skip_space()?;
        if self.take(b'-') {
            self.skip_space()?;
            // Two signs would be a comment.
            return self.unsigned().map(number::negate);
        }
        self.unsigned()
    }

    fn unsigned(&mut self) -> Read<Value> {
        if self.rest().starts_with(b"math.huge") {
            self.at += 5;
            return match self.word() {
                b"huge" => Ok(Value::Float(f64::INFINITY)),
                _ => self.fault("a word that is no data"),
            };
        }
        if self.take(b'(') {
            return self.in_parentheses();
        }
        let numeral = self.numeral();
        match number::parse(numeral) {
            Some(value) => Ok(value),
            None => self.fault("malformed number"),
        }
    }

    /// A number or a fraction, and the closing parenthesis. Does not nest.
    fn in_parentheses(&mut self) -> Read<Value> {
        let part = |reader: &mut Self| {
            reader.skip_space()?;
            let negative = reader.take(b'-');
            reader.skip_space()?;
            let Some(value) = number::parse(reader.numeral()) else {
                return reader.fault("malformed number");
            };
            reader.skip_space()?;
            Ok(if negative {
                number::negate(value)
            } else {
                value
            })
        };
        let mut value = part(self)?;
        if self.take(b'/') {
            let divisor = part(self)?;
            let (Some(above), Some(below)) = (number::float(&value), number::float(&divisor))
            else {
                return self.fault("malformed number");
            };
            value = Value::Float(above / below);
        }
        if !self.take(b')') {
            return self.fault("expected ')'");
        }
        Ok(value)
    }

    /// All bytes that Lua would take for one numeral.
    fn numeral(&mut self) -> &'a [u8] {
        let rest = self.rest();
        let hexadecimal = matches!(rest, [b'0', b'x' | b'X', ..]);
        let mut len = 0;
        let mut before = 0;
        while let Some(&byte) = rest.get(len) {
            let exponent = match before {
                b'e' | b'E' => !hexadecimal,
                b'p' | b'P' => hexadecimal,
                _ => false,
            };
            let sign = exponent && matches!(byte, b'+' | b'-');
            if !sign && !byte.is_ascii_alphanumeric() && byte != b'.' && byte != b'_' {
                break;
            }
            before = byte;
            len += 1;
        }
        self.at += len;
        rest.get(..len).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
