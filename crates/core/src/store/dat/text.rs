//! Lua's literal strings (manual of Lua 5.4, section 3.1).

use super::read::{Read, Reader};

impl Reader<'_> {
    /// A string in quotes; the next byte is the opening one.
    pub(super) fn quoted(&mut self) -> Read<Vec<u8>> {
        let quote = self.next();
        let mut text = Vec::new();
        loop {
            match self.next() {
                byte if byte == quote => return Ok(text),
                None | Some(b'\n' | b'\r') => return self.fault("the string does not end"),
                Some(b'\\') => self.escape(&mut text)?,
                Some(byte) => text.push(byte),
            }
        }
    }

    /// What follows a backslash.
    fn escape(&mut self, text: &mut Vec<u8>) -> Read<()> {
        let Some(byte) = self.next() else {
            return self.fault("the string does not end");
        };
        text.push(match byte {
            b'a' => 0x07,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 0x0b,
            b'\\' | b'"' | b'\'' => byte,
            b'\n' | b'\r' => {
                self.end_of_line(byte);
                b'\n'
            }
            b'0'..=b'9' => self.decimal(byte)?,
            b'x' => match (self.hex_digit(), self.hex_digit()) {
                (Some(high), Some(low)) => high * 16 + low,
                _ => return self.fault("\\x needs two hexadecimal digits"),
            },
            b'u' => return self.code_point(text),
            b'z' => {
                while self.peek().is_some_and(is_space) {
                    self.next();
                }
                return Ok(());
            }
            _ => return self.fault("an escape that Lua does not know"),
        });
        Ok(())
    }

    /// The byte that `\ddd` is: up to three decimal digits.
    fn decimal(&mut self, first: u8) -> Read<u8> {
        let mut number = u32::from(first - b'0');
        for _ in 0..2 {
            match self.peek() {
                Some(digit @ b'0'..=b'9') => number = number * 10 + u32::from(digit - b'0'),
                _ => break,
            }
            self.next();
        }
        match u8::try_from(number) {
            Ok(byte) => Ok(byte),
            Err(_) => self.fault("the number of a byte is above 255"),
        }
    }

    /// The bytes that `\u{XXX}` is. Lua goes beyond Unicode, up to 2³¹, in the
    /// manner of the first UTF-8 (RFC 2279).
    fn code_point(&mut self, text: &mut Vec<u8>) -> Read<()> {
        let mut number: u32 = 0;
        let mut digits = 0;
        if self.next() == Some(b'{') {
            while let Some(digit) = self.hex_digit() {
                digits += 1;
                number = match number.checked_mul(16) {
                    Some(number) if number < 1 << 31 => number | u32::from(digit),
                    _ => return self.fault("the number of a character is too large"),
                };
            }
        }
        if digits == 0 || self.next() != Some(b'}') {
            return self.fault("\\u needs hexadecimal digits in braces");
        }
        if number < 0x80 {
            text.push(low_byte(number));
            return Ok(());
        }
        // Six bits a byte from the end, until the rest fits into the first one.
        let mut tail = Vec::new();
        let mut room: u32 = 0x3f;
        while number > room {
            tail.push(low_byte(0x80 | (number & 0x3f)));
            number >>= 6;
            room >>= 1;
        }
        text.push(low_byte((!room << 1) | number));
        text.extend(tail.iter().rev());
        Ok(())
    }

    /// A string in long brackets, `[[…]]` or `[=[…]=]`, if one is next.
    pub(super) fn long_bracket(&mut self) -> Read<Option<Vec<u8>>> {
        let rest = self.rest();
        let level = rest.iter().skip(1).take_while(|&&b| b == b'=').count();
        if rest.first() != Some(&b'[') || rest.get(level + 1) != Some(&b'[') {
            return Ok(None);
        }
        self.skip_bytes(level + 2);
        // A line's end right after the opening bracket does not belong to it.
        if let Some(byte @ (b'\n' | b'\r')) = self.peek() {
            self.next();
            self.end_of_line(byte);
        }
        let mut text = Vec::new();
        loop {
            match self.next() {
                None => return self.fault("the long bracket does not end"),
                Some(byte @ (b'\n' | b'\r')) => {
                    self.end_of_line(byte);
                    text.push(b'\n');
                }
                Some(b']') if self.closes(level) => {
                    self.skip_bytes(level + 1);
                    return Ok(Some(text));
                }
                Some(byte) => text.push(byte),
            }
        }
    }

    fn closes(&self, level: usize) -> bool {
        let rest = self.rest();
        rest.iter().take_while(|&&b| b == b'=').count() == level && rest.get(level) == Some(&b']')
    }

    /// Takes the second byte of an end of line that is two bytes long.
    fn end_of_line(&mut self, first: u8) {
        if matches!(
            (first, self.peek()),
            (b'\n', Some(b'\r')) | (b'\r', Some(b'\n'))
        ) {
            self.next();
        }
    }

    fn hex_digit(&mut self) -> Option<u8> {
        let digit = char::from(self.peek()?).to_digit(16)?;
        self.next();
        u8::try_from(digit).ok()
    }
}

/// Lua's white space.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c)
}

fn low_byte(number: u32) -> u8 {
    let [low, ..] = number.to_le_bytes();
    low
}
