//! Settings: as a TOML file, and one by one as text. A failure changes nothing,
//! and both ways agree.
#![no_main]

use std::io::Write as _;

use libfuzzer_sys::fuzz_target;
use monthly_visitors::Config;
use monthly_visitors::client::Classifier;
use tempfile::NamedTempFile;

fuzz_target!(|bytes: &[u8]| {
    let Some((&kind, rest)) = bytes.split_first() else {
        return;
    };
    let number = usize::from(kind);
    match (Config::KEYS.get(number), std::str::from_utf8(rest)) {
        (Some(key), Ok(value)) => one(key, value),
        _ => drop(load(rest)),
    }
});

/// What the file sets, all of it or nothing.
fn load(text: &[u8]) -> Result<Config, String> {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text).unwrap();
    let mut config = Config::default();
    let before = format!("{config:?}");
    if let Err(error) = config.load(file.path()) {
        let message = error.to_string();
        assert!(!message.contains('\n'), "{message}");
        assert_eq!(format!("{config:?}"), before);
        return Err(message);
    }
    check(&config);
    Ok(config)
}

fn one(key: &str, value: &str) {
    let mut config = Config::default();
    let before = format!("{config:?}");
    let set = config.set(key, value);
    if set.is_err() {
        assert_eq!(format!("{config:?}"), before);
    } else {
        check(&config);
    }
    let quoted = toml::Value::String(value.into());
    let loaded = load(format!("{key} = {quoted}").as_bytes());
    assert_eq!(set.is_ok(), loaded.is_ok(), "{key}");
    if let Ok(loaded) = loaded {
        assert_eq!(format!("{config:?}"), format!("{loaded:?}"), "{key}");
    }
}

/// What holds of all settings that were taken.
fn check(config: &Config) {
    assert!(config.pending_limit > 0);
    assert!((1..=3_600_000).contains(&config.flush_interval.as_millis()));
    assert!(config.store.as_ref().is_none_or(|url| url.contains(':')));
    if let Ok(classifier) = Classifier::new(config.pattern_syntax, &config.clients) {
        let category = classifier.classify(b"Conversations.x7");
        let is_known = |category: &str| {
            let mut clients = config.clients.iter();
            clients.any(|client| client.category == category)
        };
        assert!(category.is_none_or(is_known));
    }
}
