//! The address of a login: from the text that chat servers give to an IP.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An address as the host gave it, borrowed for the length of a call. It has
/// no `Display`, and `Debug` hides it, so it cannot reach a log by accident.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Address<'a>(&'a [u8]);

impl<'a> Address<'a> {
    /// Takes any bytes: what is no address counts as an unknown place.
    #[must_use]
    pub fn new(text: &'a [u8]) -> Self {
        Self(text)
    }

    /// The IP address in the text, if there is one.
    #[must_use]
    pub fn ip(self) -> Option<IpAddr> {
        parse(self.0)
    }
}

impl fmt::Debug for Address<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Address(..)")
    }
}

/// Reads an address as chat servers and their proxies write it.
///
/// Takes IPv4 and IPv6 (RFC 4291), with white space or quotes around, in
/// brackets, with a port, with a zone (RFC 4007): `"[2001:db8::1]:5222"`,
/// `192.0.2.1:5222`, `fe80::1%eth0`. An IPv4 address mapped into IPv6,
/// `::ffff:192.0.2.1`, is that IPv4 address. `None` for everything else.
fn parse(text: &[u8]) -> Option<IpAddr> {
    // Nearly all are this.
    if let Some(v4) = plain_ipv4(text) {
        return Some(IpAddr::V4(v4));
    }
    let text = std::str::from_utf8(text).ok()?.trim();
    let text = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text);
    let address = match text.strip_prefix('[') {
        Some(text) => {
            let (inside, port) = text.split_once(']')?;
            if !(port.is_empty() || is_port(port.strip_prefix(':')?)) {
                return None;
            }
            inside
        }
        // One colon separates a port; more are an IPv6 address, whose port
        // could not be told apart without brackets.
        None => match text.split_once(':') {
            Some((address, port)) if !port.contains(':') && is_port(port) => {
                return Ipv4Addr::from_str(address).ok().map(IpAddr::V4);
            }
            _ => text,
        },
    };
    if let Ok(v4) = Ipv4Addr::from_str(address) {
        return Some(IpAddr::V4(v4));
    }
    let (address, zone) = address.split_once('%').unwrap_or((address, "-"));
    let v6 = Ipv6Addr::from_str(address).ok()?;
    (!zone.is_empty()).then(|| IpAddr::V6(v6).to_canonical())
}

/// Reads an IPv4 address with nothing around it, as the standard library does, in
/// less than half of the steps: so few that the processor asks for the place's
/// memory while it still waits for the user's.
fn plain_ipv4(text: &[u8]) -> Option<Ipv4Addr> {
    let digit = |byte: &u8| Some(byte.wrapping_sub(b'0')).filter(|digit| *digit <= 9);
    let mut bytes = text.iter();
    let mut octets = [0; 4];
    for (octet, is_last) in octets.iter_mut().zip([false, false, false, true]) {
        let mut number = u16::from(bytes.next().and_then(digit)?);
        loop {
            match (bytes.next(), is_last) {
                (None, true) | (Some(b'.'), false) => break,
                (Some(byte), _) => {
                    // No number goes on after a zero in front.
                    let more = digit(byte).filter(|_| number > 0)?;
                    number = number * 10 + u16::from(more);
                    if number > 255 {
                        return None;
                    }
                }
                (None, false) => return None,
            }
        }
        *octet = u8::try_from(number).ok()?;
    }
    Some(octets.into())
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.len() <= 5 && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_every_form_in_use() {
        for (text, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1:5222", "192.0.2.1"),
            (" 192.0.2.1\n", "192.0.2.1"),
            ("\"192.0.2.1\"", "192.0.2.1"),
            ("[192.0.2.1]", "192.0.2.1"),
            ("[192.0.2.1]:80", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("2001:DB8:0:0::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:5222", "2001:db8::1"),
            ("\"[2001:db8::1]:5222\"", "2001:db8::1"),
            ("fe80::1%eth0", "fe80::1"),
            ("[fe80::1%eth0]:5222", "fe80::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("::FFFF:192.0.2.1", "192.0.2.1"),
            ("[::ffff:c000:201]:5222", "192.0.2.1"),
            ("::1", "::1"),
        ] {
            let expected: IpAddr = expected.parse().unwrap();
            assert_eq!(parse(text.as_bytes()), Some(expected), "{text}");
        }
    }

    #[test]
    fn reads_ipv4_as_the_standard_library_does() {
        let parts = [
            "0", "00", "01", "1", "9", "25", "255", "256", "260", "999", "1000", "",
        ];
        let ends = ["", ".", "..", ":", " ", "a", "-1", ".0"];
        let mut found = 0;
        for number in 0..parts.len().pow(4) {
            let part = |place: u32| parts[number / parts.len().pow(place) % parts.len()];
            let address = [0, 1, 2, 3].map(part).join(".");
            for end in ends {
                let text = format!("{address}{end}");
                let expected = Ipv4Addr::from_str(&text).ok();
                assert_eq!(plain_ipv4(text.as_bytes()), expected, "{text}");
                found += usize::from(expected.is_some());
            }
        }
        // Three parts may end with ".0".
        assert_eq!(found, 5 * 5 * 5 * 5);
        for text in [
            "",
            ".",
            "1",
            "1.2.3",
            "1.2.3.4.5",
            "+1.2.3.4",
            "1.2.3.4\n",
            "1.2.3.4\0",
        ] {
            assert_eq!(plain_ipv4(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn takes_nothing_else() {
        for text in [
            "",
            " ",
            "localhost",
            "192.0.2",
            "192.0.2.256",
            "192.0.2.1:",
            "192.0.2.1:port",
            "192.0.2.1:123456",
            "1.2.3.4.5",
            "[2001:db8::1",
            "2001:db8::1]",
            "[2001:db8::1]x",
            "[2001:db8::1]:",
            "2001:db8::1:2:3:4:5:6:7",
            "fe80::1%",
            "\"",
            "\"\"",
            "[]",
            "192.0.2.1/24",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse(b"192.0.2.1\xff"), None);
        assert_eq!(parse(&[b':'; 5000]), None);
    }
}
