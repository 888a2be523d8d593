//! Logins from a file: JSON Lines or CSV.

use std::fmt;
use std::io::{self, BufRead};

use chrono::DateTime;
use monthly_visitors::{Address, Error, Login, Resource, User, now};
use serde::Deserialize;

/// The longest line: no login needs more, and a file that is none of ours must
/// not fill the memory.
const MAX_LINE: u64 = 65_536;

/// A login as a line gives it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    user: String,
    ip: Option<String>,
    resource: Option<String>,
    time: Option<Time>,
}

/// A time as JSON has it: a text or a number.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Time {
    Seconds(i64),
    Text(String),
}

/// Why a line is no login. Never quotes the line.
#[derive(Debug, PartialEq, Eq)]
pub struct Bad(pub String);

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Error> for Bad {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

impl Line {
    /// The login that the line says; without a time, now.
    pub fn login(&self) -> Result<Login<'_>, Bad> {
        let time = match &self.time {
            None => now(),
            Some(Time::Seconds(seconds)) => *seconds,
            Some(Time::Text(text)) => parse_time(text).map_err(Bad)?,
        };
        let some = |text: &'_ Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
        let resource = self.resource.as_deref().filter(|_| some(&self.resource));
        Ok(Login {
            user: User::new(self.user.as_bytes())?,
            address: self.ip.as_deref().map(|ip| Address::new(ip.as_bytes())),
            resource: resource
                .map(|text| Resource::new(text.as_bytes()))
                .transpose()?,
            time,
        })
    }
}

/// RFC 3339 or Unix seconds.
pub fn parse_time(text: &str) -> Result<i64, String> {
    let wrong =
        || "time is neither RFC 3339, such as 2026-11-05T12:00:00Z, nor Unix seconds".to_owned();
    if let Ok(seconds) = text.parse() {
        return Ok(seconds);
    }
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.timestamp())
        .map_err(|_| wrong())
}

/// Reads logins, one line after the other.
pub struct Lines<R> {
    input: R,
    format: Option<Format>,
    /// The number of the line that was read last.
    number: u64,
}

enum Format {
    JsonLines,
    /// The fields of each line, by number.
    Csv(Vec<Field>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    User,
    Ip,
    Resource,
    Time,
}

impl<R: BufRead> Lines<R> {
    pub fn new(input: R) -> Self {
        Self {
            input,
            format: None,
            number: 0,
        }
    }

    /// The next line that is not empty, with its number; `None` at the end.
    ///
    /// Fails when the input cannot be read, or its first line is neither a
    /// JSON object nor a CSV header.
    pub fn next(&mut self) -> anyhow::Result<Option<(u64, Result<Line, Bad>)>> {
        loop {
            let mut bytes = Vec::new();
            let got = io::Read::take(&mut self.input, MAX_LINE).read_until(b'\n', &mut bytes)?;
            if got == 0 {
                return Ok(None);
            }
            self.number += 1;
            if bytes.last() != Some(&b'\n') && bytes.len() as u64 == MAX_LINE {
                self.skip_line()?;
                return Ok(Some((self.number, Err(Bad("the line is too long".into())))));
            }
            // A byte order mark, as spreadsheets write it.
            let text = bytes
                .strip_prefix(b"\xef\xbb\xbf")
                .filter(|_| self.number == 1)
                .unwrap_or(&bytes);
            let text = text.trim_ascii();
            if text.is_empty() {
                continue;
            }
            let Some(format) = &self.format else {
                if text.first() == Some(&b'{') {
                    self.format = Some(Format::JsonLines);
                    return Ok(Some((self.number, json_line(text))));
                }
                self.format = Some(Format::Csv(header(text)?));
                continue;
            };
            let line = match format {
                Format::JsonLines => json_line(text),
                Format::Csv(fields) => csv_line(text, fields),
            };
            return Ok(Some((self.number, line)));
        }
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let buffer = self.input.fill_buf()?;
            let end = buffer.iter().position(|&byte| byte == b'\n');
            let (len, done) = (
                end.map_or(buffer.len(), |end| end + 1),
                end.is_some() || buffer.is_empty(),
            );
            self.input.consume(len);
            if done {
                return Ok(());
            }
        }
    }
}

fn json_line(text: &[u8]) -> Result<Line, Bad> {
    serde_json::from_slice(text).map_err(|error| {
        // The message of serde_json may quote the value.
        Bad(match error.classify() {
            serde_json::error::Category::Data => {
                "not an object with the text user and, if known, ip, resource and time".into()
            }
            _ => format!("not JSON, at column {}", error.column()),
        })
    })
}

/// The fields that the first line of a CSV file names.
fn header(text: &[u8]) -> anyhow::Result<Vec<Field>> {
    let wrong = "the input is neither JSON Lines nor CSV: its first line is no object, \
                 and does not name the columns user, ip, resource and time";
    let record = record(text).map_err(|_| anyhow::anyhow!(wrong))?;
    let fields: Option<Vec<Field>> = record
        .iter()
        .map(|name| match name.trim() {
            "user" => Some(Field::User),
            "ip" => Some(Field::Ip),
            "resource" => Some(Field::Resource),
            "time" => Some(Field::Time),
            _ => None,
        })
        .collect();
    fields
        .filter(|fields| fields.contains(&Field::User))
        .ok_or_else(|| anyhow::anyhow!(wrong))
}

fn csv_line(text: &[u8], fields: &[Field]) -> Result<Line, Bad> {
    let record = record(text)?;
    if record.len() != fields.len() {
        return Err(Bad(format!(
            "{} fields instead of {}",
            record.len(),
            fields.len()
        )));
    }
    let value = |wanted: Field| {
        let position = fields.iter().position(|&field| field == wanted)?;
        record
            .get(position)
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    Ok(Line {
        user: value(Field::User).unwrap_or_default(),
        ip: value(Field::Ip),
        resource: value(Field::Resource),
        time: value(Field::Time).map(Time::Text),
    })
}

/// The fields of one line of CSV. A field does not go over several lines: what
/// a server logs has none that do, and a missing quote costs one line only.
fn record(text: &[u8]) -> Result<csv::StringRecord, Bad> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text);
    let mut record = csv::StringRecord::new();
    match reader.read_record(&mut record) {
        Ok(true) => Ok(record),
        _ => Err(Bad("not CSV in UTF-8".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> anyhow::Result<Vec<(u64, Result<String, String>)>> {
        let mut lines = Lines::new(text);
        let mut all = Vec::new();
        while let Some((number, line)) = lines.next()? {
            let shown = line.and_then(|line| {
                line.login()?;
                let time = line.login()?.time;
                let part = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
                let time = if line.time.is_some() {
                    time.to_string()
                } else {
                    "now".into()
                };
                Ok(format!(
                    "{} {} {} {time}",
                    line.user,
                    part(&line.ip),
                    part(&line.resource)
                ))
            });
            all.push((number, shown.map_err(|bad| bad.0)));
        }
        Ok(all)
    }

    fn good(text: &str) -> Vec<(u64, String)> {
        read(text.as_bytes())
            .unwrap()
            .into_iter()
            .map(|(number, line)| (number, line.unwrap()))
            .collect()
    }

    #[test]
    fn reads_json_lines() {
        let text = "\n{\"user\":\"juliet\",\"ip\":\"192.0.2.1\",\"resource\":\"a,b\",\"time\":\"1970-01-01T00:00:07Z\"}\n\
                    {\"time\": 8, \"user\": \"romeo\"}\r\n\n{\"user\":\"nurse\",\"ip\":null}";
        let expected = [
            (2, "juliet 192.0.2.1 a,b 7"),
            (3, "romeo - - 8"),
            (5, "nurse - - now"),
        ];
        assert_eq!(
            good(text),
            expected.map(|(number, line)| (number, line.to_owned()))
        );
    }

    #[test]
    fn reads_csv_with_columns_in_any_order() {
        let text =
            "\u{feff}time,user,resource\n1970-01-01T01:00:07+01:00,juliet,\"a,\"\"b\"\n,romeo,\n";
        let expected = [(2, "juliet - a,\"b 7"), (3, "romeo - - now")];
        assert_eq!(
            good(text),
            expected.map(|(number, line)| (number, line.to_owned()))
        );
    }

    #[test]
    fn names_bad_lines_and_goes_on_without_quoting_them() {
        let long = format!("{{\"user\":\"{}\"}}", "kanarie".repeat(20_000));
        let text = format!(
            "{{\"user\":\"a\"}}\n{{\"user\":\"kanarie\nkanarie\n{{\"user\":7}}\n{{\"user\":\"\"}}\n\
             {{\"user\":\"kanarie\",\"time\":\"kanarie\"}}\n{{\"user\":\"a\",\"kanarie\":1}}\n{long}\n{{\"user\":\"b\"}}\n"
        );
        let lines = read(text.as_bytes()).unwrap();
        let bad: Vec<u64> = lines
            .iter()
            .filter(|(_, line)| line.is_err())
            .map(|(number, _)| *number)
            .collect();
        assert_eq!(bad, [2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(lines.last().unwrap().1, Ok("b - - now".into()));
        for (number, line) in lines {
            assert!(
                !line.err().unwrap_or_default().contains("kanarie"),
                "line {number}"
            );
        }
        let lines = read(b"user,ip\na\nb,c,d\n\xff,x\n,1.2.3.4\n\"e,f\ng,h\n").unwrap();
        let bad: Vec<u64> = lines
            .iter()
            .filter(|(_, line)| line.is_err())
            .map(|(number, _)| *number)
            .collect();
        assert_eq!(bad, [2, 3, 4, 5, 6]);
    }

    #[test]
    fn refuses_input_of_another_kind() {
        for text in ["name,address\n", "hello\n", "ip,time\n", "[1]\n"] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
        assert!(read(b"").unwrap().is_empty());
    }

    #[test]
    fn a_time_is_rfc_3339_or_seconds() {
        for (text, seconds) in [
            ("0", 0),
            ("-5", -5),
            ("2026-11-05T12:00:00Z", 1_793_880_000),
            ("2026-11-05T13:00:00.5+01:00", 1_793_880_000),
        ] {
            assert_eq!(parse_time(text), Ok(seconds), "{text}");
        }
        for text in ["", "yesterday", "2026-11-05", "12:00"] {
            assert!(parse_time(text).is_err(), "{text}");
        }
    }
}
