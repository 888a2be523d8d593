//! Times classifying resources, for `make bench`: `bench_clients PATTERNS
//! RESOURCES`, both with one in each line.

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use monthly_visitors::client::{Classifier, ClientPattern, Syntax};

type Failure = Box<dyn Error>;

/// The length of a hostile resource, the longest that XMPP allows (RFC 7622).
const LONG: u32 = 1023;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, patterns, resources] = arguments.as_slice() else {
        return Err("usage: bench_clients PATTERNS RESOURCES".into());
    };
    let patterns = std::fs::read_to_string(patterns)?;
    let patterns: Vec<String> = patterns.lines().map(str::to_owned).collect();
    let resources = std::fs::read_to_string(resources)?;
    let resources: Vec<&[u8]> = resources.lines().map(str::as_bytes).collect();

    let classifier = compile(&patterns)?;
    println!("classify {}", time(&classifier, &resources, 200)?);
    let numbers = resources.iter().filter_map(|one| classifier.classify(one));
    println!(
        "sum {}",
        numbers.map(|n| n.parse().unwrap_or(0)).sum::<u32>()
    );

    let hostile = compile(&["a*a*b".into()])?;
    let nanoseconds = time(&hostile, &[&[b'a'; LONG as usize]], 1000)?;
    println!("hostile {}", nanoseconds / 1e3);
    println!("worst {}", worst(&sets())?);
    let long = [
        hundred(&|n| dots(n, 197)),
        hundred(&|n| {
            format!(
                "[a-{}]{}{}!",
                letter(n % 20 + 3),
                ".?".repeat(197),
                letter(n)
            )
        }),
        hundred(&|n| format!("{}{}!", "[a-y]*z*".repeat(99), letter(n))),
    ];
    println!("worst_long {}", worst(&long)?);
    Ok(())
}

fn compile(patterns: &[String]) -> Result<Classifier, Failure> {
    let numbered = patterns
        .iter()
        .zip(1..)
        .map(|(pattern, number)| ClientPattern {
            pattern: pattern.clone(),
            category: format!("{number}"),
        });
    Ok(Classifier::new(Syntax::Lua, &numbered.collect::<Vec<_>>())?)
}

/// Nanoseconds for one of `resources`.
fn time(classifier: &Classifier, resources: &[&[u8]], times: u32) -> Result<f64, Failure> {
    let all = || {
        for resource in resources {
            black_box(classifier.classify(black_box(resource)));
        }
    };
    (0..times / 10).for_each(|_| all()); // warms up
    let start = Instant::now();
    (0..times).for_each(|_| all());
    let logins = f64::from(times) * f64::from(u32::try_from(resources.len())?);
    Ok(start.elapsed().as_secs_f64() * 1e9 / logins)
}

/// Patterns that are made to be slow, of at most 64 items.
fn sets() -> Vec<Vec<String>> {
    vec![
        vec!["a*a*a*b".into()],
        vec![".-x.-y.-z".into()],
        vec!["a.............b".into()],
        hundred(&|n| format!("{0}*{0}*{0}*{1}!", letter(n), letter(n + 1))),
        hundred(&|n| format!(".-{}.-{}.-{}!", letter(n), letter(n + 7), letter(n / 4))),
        hundred(&|n| format!("{}.............{}!", letter(n), letter(n + 7))),
        hundred(&|n| dots(n, 60)),
    ]
}

fn letter(n: u8) -> char {
    char::from(b'a' + n % 26)
}

fn hundred(make: &dyn Fn(u8) -> String) -> Vec<String> {
    (0..100).map(make).collect()
}

/// A pattern that is at many places at once, since it begins with many letters.
fn dots(n: u8, count: usize) -> String {
    let first = letter(n % 20 + 3);
    format!("[a-{first}]{}{}!", ".".repeat(count), letter(n))
}

/// The most nanoseconds that a byte costs for each pattern, among `sets` and
/// resources that are made to be slow.
fn worst(sets: &[Vec<String>]) -> Result<f64, Failure> {
    let mut state = 7_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        b'a' + u8::try_from(state % 26).unwrap_or(0)
    };
    let resources = [
        vec![b'a'; LONG as usize],
        (0..LONG).map(|_| random()).collect(),
        b"xyz".repeat(LONG as usize / 3),
    ];
    let mut worst = 0_f64;
    for set in sets {
        let classifier = compile(set)?;
        for resource in &resources {
            // The middle one: the most of many would be the machine's worst moment.
            let mut times = [0.0; 5];
            for one in &mut times {
                *one = time(&classifier, &[resource], 20)?;
            }
            times.sort_by(f64::total_cmp);
            let [_, _, median, _, _] = times;
            let patterns = f64::from(u32::try_from(set.len())?);
            worst = worst.max(median / f64::from(LONG) / patterns);
        }
    }
    Ok(worst)
}
