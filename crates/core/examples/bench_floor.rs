//! The least that counting users can cost, for `make bench`: a set of their
//! hashes, and a file that each new one is appended to. `bench_floor USERS FILE`
//!
//! It counts nothing by place or client, knows no month and encrypts nothing.

use std::collections::HashSet;
use std::error::Error;
use std::fmt::Write as _;
use std::fs::File;
use std::hash::Hasher;
use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::time::Instant;

use siphasher::sip128::{Hasher128, SipHasher24};

type Failure = Box<dyn Error>;

const REPEATS: u32 = 2_000_000;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, users, path] = arguments.as_slice() else {
        return Err("usage: bench_floor USERS FILE".into());
    };
    let users: u32 = users.parse()?;
    let keyed = SipHasher24::new_with_key(&[7; 16]);
    let hash = |user: &str| {
        let mut hasher = keyed;
        hasher.write(user.as_bytes());
        hasher.finish128().as_bytes()
    };
    let mut user = String::with_capacity(64);
    let mut seen = HashSet::new();
    let mut file = BufWriter::new(File::create(path)?);
    let before = memory()?;

    let start = Instant::now();
    for number in 0..users {
        name(&mut user, number)?;
        let hashed = hash(&user);
        if seen.insert(hashed) {
            file.write_all(&hashed)?;
        }
    }
    per("first", start, users);
    let start = Instant::now();
    file.into_inner()?.sync_data()?;
    println!("flush {}", start.elapsed().as_secs_f64() * 1e3);
    println!("memory {}", (memory()? - before) / f64::from(users));

    let mut times = [0.0, 0.0, 0.0];
    for (time, look) in times.iter_mut().zip([true, false, true]) {
        let mut state = 2_u32;
        let start = Instant::now();
        for _ in 0..REPEATS {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let number = (u64::from(state) * u64::from(users)) >> 32;
            name(&mut user, u32::try_from(number)?)?;
            if look {
                black_box(seen.contains(&hash(&user)));
            } else {
                black_box(&user);
            }
        }
        *time = start.elapsed().as_secs_f64() * 1e9 / f64::from(REPEATS);
    }
    let [_warm, naming, looking] = times;
    println!("repeat {}", looking - naming);

    drop(seen);
    let start = Instant::now();
    let bytes = std::fs::read(path)?;
    let again: HashSet<[u8; 16]> = bytes
        .chunks_exact(16)
        .filter_map(|hashed| hashed.try_into().ok())
        .collect();
    println!("open {}", start.elapsed().as_secs_f64() * 1e3);
    println!("users {}", again.len());
    Ok(())
}

fn name(user: &mut String, number: u32) -> std::fmt::Result {
    user.clear();
    write!(user, "user{number}@example.net")
}

fn per(what: &str, start: Instant, count: u32) {
    println!(
        "{what} {}",
        start.elapsed().as_secs_f64() * 1e9 / f64::from(count)
    );
}

/// The memory of this process, in bytes.
fn memory() -> Result<f64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next());
    Ok(kibibytes.ok_or("there is no VmRSS")?.parse::<f64>()? * 1024.0)
}
