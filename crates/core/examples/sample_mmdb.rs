//! Makes the sample database of the demo and the tests from a readable list:
//! `sample_mmdb PLACES.csv OUTPUT.mmdb`.

use std::error::Error;
use std::fs;
use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};

use ipnet::IpNet;
use mmdb_writer::{Value, Writer};

/// The day the list was made, so that equal lists give equal files.
const BUILT: Duration = Duration::from_secs(1_767_225_600);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, list, output] = arguments.as_slice() else {
        eprintln!("usage: sample_mmdb PLACES.csv OUTPUT.mmdb");
        return ExitCode::from(2);
    };
    match write(list, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sample_mmdb: {error}");
            ExitCode::from(2)
        }
    }
}

fn write(list: &str, output: &str) -> Result<(), Box<dyn Error>> {
    let mut writer = Writer::builder("Sample-City")
        .description(&[("en", "Made-up places of documentation addresses")])
        .build_epoch(UNIX_EPOCH + BUILT)
        .build();
    for line in fs::read_to_string(list)?
        .lines()
        .filter(|line| !line.starts_with('#'))
        .skip(1)
    {
        let fields: Vec<&str> = line.split(',').collect();
        let [network, country, subdivision, geoname_id, city] = fields.as_slice() else {
            return Err(format!("not five fields: {line}").into());
        };
        let code = |code: &str| Value::map([("iso_code", Value::from(code))]);
        let mut place = vec![("country", code(country))];
        if !subdivision.is_empty() {
            place.push(("subdivisions", Value::array([code(subdivision)])));
        }
        if !geoname_id.is_empty() {
            let id: u32 = geoname_id.parse()?;
            let names = Value::map([("en", Value::from(*city))]);
            place.push((
                "city",
                Value::map([("geoname_id", Value::from(id)), ("names", names)]),
            ));
        }
        writer.insert_value(network.parse::<IpNet>()?, Value::map(place))?;
    }
    fs::write(output, writer.to_bytes()?)?;
    Ok(())
}
