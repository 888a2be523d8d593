//! Settings: the same names in every host, in text and in TOML.

use std::path::{self, Path, PathBuf};
use std::time::Duration;

use zeroize::Zeroizing;

use crate::client::{ClientPattern, Syntax};
use crate::{Countries, Error, Log, MAX_TEXT, Realm};

/// The settings of a counter.
#[derive(Clone, Debug)]
pub struct Config {
    /// URL of the store, such as `sealed:/var/lib/monthly-visitors`.
    pub store: Option<String>,
    /// The virtual host: part of the markers, and shown in reports.
    pub host: String,
    /// A database of places.
    pub geoip: Option<PathBuf>,
    /// A database of networks.
    pub asn: Option<PathBuf>,
    /// How client patterns are written.
    pub pattern_syntax: Syntax,
    /// Client patterns, in order.
    pub clients: Vec<ClientPattern>,
    /// Whose users are counted.
    pub record_countries: Countries,
    /// How many months of totals are kept, the newest included; 0 keeps all.
    pub retention_months: u32,
    /// The longest time that a visit stays in memory only.
    pub flush_interval: Duration,
    /// The largest number of visits that wait for the store.
    pub pending_limit: usize,
    /// A file with a secret that the markers of the sealed store need as well.
    pub secret_file: Option<PathBuf>,
    /// A folder for the keys of the sealed store.
    pub key_dir: Option<PathBuf>,
    /// Opened for reports alone: nothing is locked, nothing is written.
    pub read_only: bool,
    /// Where log lines go.
    pub log: Log,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            store: None,
            host: String::new(),
            geoip: None,
            asn: None,
            pattern_syntax: Syntax::Lua,
            clients: Vec::new(),
            record_countries: Countries::default(),
            retention_months: 0,
            flush_interval: Duration::from_secs(1),
            pending_limit: 1_000_000,
            secret_file: None,
            key_dir: None,
            read_only: false,
            log: Log::default(),
        }
    }
}

/// The largest `flush_interval`: after a crash, more than an hour of visits
/// would be missing.
const MAX_INTERVAL: Duration = Duration::from_secs(3600);

/// The shortest content of `secret_file`, in bytes: 128 bits.
const MIN_SECRET: usize = 16;

impl Config {
    /// The names of all settings with a single value.
    pub const KEYS: [&str; 12] = [
        "store",
        "host",
        "geoip",
        "asn",
        "pattern_syntax",
        "record_countries",
        "retention_months",
        "flush_interval",
        "pending_limit",
        "secret_file",
        "key_dir",
        "read_only",
    ];

    /// Changes one setting, given as text.
    ///
    /// # Errors
    ///
    /// The key is unknown, or the value is wrong; the settings are unchanged.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), Error> {
        let wrong = |reason: String| Error::config(key, reason);
        if value.len() > MAX_TEXT {
            return Err(wrong("too long".into()));
        }
        let file = || (!value.is_empty()).then(|| PathBuf::from(value));
        match key {
            "store" => self.store = Some(store_url(value).map_err(wrong)?),
            "host" => self.host = value.into(),
            "geoip" => self.geoip = file(),
            "asn" => self.asn = file(),
            "pattern_syntax" => {
                self.pattern_syntax = match value {
                    "lua" => Syntax::Lua,
                    "regex" => Syntax::Regex,
                    _ => return Err(wrong("must be lua or regex".into())),
                }
            }
            "record_countries" => self.record_countries = value.parse().map_err(wrong)?,
            "retention_months" => {
                self.retention_months = value
                    .parse()
                    .map_err(|_| wrong("must be a number of months, 0 to keep all".into()))?;
            }
            "flush_interval" => self.flush_interval = interval(value).map_err(wrong)?,
            "pending_limit" => {
                self.pending_limit = value
                    .parse()
                    .ok()
                    .filter(|&limit| limit > 0)
                    .ok_or_else(|| wrong("must be a number from 1 on".into()))?;
            }
            "secret_file" => self.secret_file = file(),
            "key_dir" => self.key_dir = file(),
            "read_only" => {
                self.read_only = match value {
                    "true" => true,
                    "false" => false,
                    _ => return Err(wrong("must be true or false".into())),
                }
            }
            // The key itself is not repeated: it may be a value put in the
            // wrong place.
            _ => {
                return Err(Error::config(
                    "settings",
                    format!("there is no such key; known are {}", Self::KEYS.join(", ")),
                ));
            }
        }
        Ok(())
    }

    /// Adds a client pattern after those that are there.
    ///
    /// # Errors
    ///
    /// The category is empty, or one of both is too long. Whether the pattern
    /// is well formed shows when the counter is opened.
    pub fn add_client(&mut self, pattern: &str, category: &str) -> Result<(), Error> {
        if category.is_empty() {
            return Err(Error::config("client", "the category is empty"));
        }
        if category.chars().any(char::is_control) {
            return Err(Error::config(
                "client",
                "the category contains a control character",
            ));
        }
        if pattern.len() > MAX_TEXT || category.len() > MAX_TEXT {
            return Err(Error::config("client", "too long"));
        }
        self.clients.push(ClientPattern {
            pattern: pattern.into(),
            category: category.into(),
        });
        Ok(())
    }

    /// Takes all settings of a TOML file over those that are there; client
    /// patterns come after those that are there.
    ///
    /// # Errors
    ///
    /// The file cannot be read or is not TOML, a key is unknown or a value is
    /// wrong; the settings are unchanged.
    pub fn load(&mut self, path: &Path) -> Result<(), Error> {
        let name = &path.display().to_string();
        let text = std::fs::read_to_string(path)
            .map_err(|error| Error::config(name, format!("cannot read it: {error}")))?;
        let table: toml::Table = toml::from_str(&text).map_err(|error| {
            // Without the quoted line, which may hold a secret.
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.unwrap_or_default().matches('\n').count() + 1;
            Error::config(name, format!("line {line}: {}", error.message()))
        })?;
        let mut config = self.clone();
        for (key, value) in &table {
            config.set_toml(key, value).map_err(|error| match error {
                Error::Config { key: inner, reason } if inner == "settings" => {
                    Error::config(name, format!("{key}: {reason}"))
                }
                Error::Config { key, reason } => Error::config(name, format!("{key}: {reason}")),
                other => other,
            })?;
        }
        *self = config;
        Ok(())
    }

    /// Whether `record_countries` lets anybody be counted.
    ///
    /// # Errors
    ///
    /// It lists countries, and there is no database that knows who is from one.
    pub fn check_countries(&self) -> Result<(), Error> {
        if self.record_countries.are_all() || self.geoip.is_some() {
            return Ok(());
        }
        Err(Error::config(
            "record_countries",
            "needs geoip: without a database nobody is from a listed country",
        ))
    }

    /// The same settings, wherever the host goes from its present working
    /// directory: a daemon goes to "/" when it has opened its files.
    pub(crate) fn with_absolute_paths(&self) -> Self {
        // Fails without a working directory, where only an absolute path leads
        // anywhere.
        let absolute = |path: &Path| path::absolute(path).unwrap_or_else(|_| path.into());
        let file = |path: &Option<PathBuf>| path.as_deref().map(absolute);
        let store = |url: &String| {
            let (scheme, place) = url.split_once(':')?;
            let place = absolute(Some(place).filter(|place| !place.is_empty())?.as_ref());
            // A URL is text: below a folder whose name is none it stays as it is.
            Some(format!("{scheme}:{}", place.to_str()?))
        };
        Self {
            store: self
                .store
                .as_ref()
                .map(|url| store(url).unwrap_or_else(|| url.clone())),
            geoip: file(&self.geoip),
            asn: file(&self.asn),
            secret_file: file(&self.secret_file),
            key_dir: file(&self.key_dir),
            ..self.clone()
        }
    }

    /// The same settings, as a counter goes on with them: what is said as it was
    /// said in `given` is what `absolute` has made of it, wherever the host is now.
    pub(crate) fn with_paths_of(&self, given: &Self, absolute: &Self) -> Self {
        fn same<T: Clone + PartialEq>(new: &T, now: &T, given: &T, absolute: &T) -> T {
            if new == given { absolute } else { now }.clone()
        }
        let now = self.with_absolute_paths();
        Self {
            store: same(&self.store, &now.store, &given.store, &absolute.store),
            geoip: same(&self.geoip, &now.geoip, &given.geoip, &absolute.geoip),
            asn: same(&self.asn, &now.asn, &given.asn, &absolute.asn),
            secret_file: same(
                &self.secret_file,
                &now.secret_file,
                &given.secret_file,
                &absolute.secret_file,
            ),
            key_dir: same(
                &self.key_dir,
                &now.key_dir,
                &given.key_dir,
                &absolute.key_dir,
            ),
            ..now
        }
    }

    /// The host, with the content of `secret_file` without white space at its
    /// end; that is empty when none is configured.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is too short to be a secret.
    pub(crate) fn realm(&self) -> Result<Realm, Error> {
        Ok(Realm::new(&self.host, &self.secret()?))
    }

    fn secret(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        let Some(path) = &self.secret_file else {
            return Ok(Zeroizing::default());
        };
        let wrong = |reason: String| Error::config("secret_file", reason);
        let mut secret = std::fs::read(path)
            .map(Zeroizing::new)
            .map_err(|error| wrong(format!("cannot read {}: {error}", path.display())))?;
        let len = secret.trim_ascii_end().len();
        secret.truncate(len);
        if secret.len() < MIN_SECRET {
            return Err(wrong(format!("has fewer than {MIN_SECRET} bytes")));
        }
        Ok(secret)
    }

    fn set_toml(&mut self, key: &str, value: &toml::Value) -> Result<(), Error> {
        let wrong = |reason: &str| Error::config(key, reason);
        match value {
            toml::Value::Array(clients) if key == "client" => clients
                .iter()
                .try_for_each(|client| self.add_toml_client(client)),
            _ if key == "client" => Err(wrong("must be written as [[client]]")),
            toml::Value::String(text) => self.set(key, text),
            toml::Value::Integer(number) => self.set(key, &number.to_string()),
            toml::Value::Boolean(flag) => self.set(key, &flag.to_string()),
            toml::Value::Array(words) => {
                let words: Option<Vec<&str>> = words.iter().map(toml::Value::as_str).collect();
                let words = words.ok_or_else(|| wrong("must be a list of texts"))?;
                self.set(key, &words.join(","))
            }
            _ => Err(wrong(
                "must be a text, a number, a list of texts, true or false",
            )),
        }
    }

    fn add_toml_client(&mut self, client: &toml::Value) -> Result<(), Error> {
        let wrong = || {
            Error::config(
                "client",
                "needs the texts pattern and category, nothing else",
            )
        };
        let table = client
            .as_table()
            .filter(|table| table.len() == 2)
            .ok_or_else(wrong)?;
        let text = |key: &str| {
            table
                .get(key)
                .and_then(toml::Value::as_str)
                .ok_or_else(wrong)
        };
        self.add_client(text("pattern")?, text("category")?)
    }
}

fn store_url(value: &str) -> Result<String, String> {
    if value.contains(':') {
        Ok(value.into())
    } else {
        Err("must be a URL such as sealed:/var/lib/monthly-visitors".into())
    }
}

fn interval(value: &str) -> Result<Duration, String> {
    let digits = value.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = value.split_at(digits);
    let interval = number.parse().ok().and_then(|number: u64| {
        Some(match unit.trim() {
            "ms" => Duration::from_millis(number),
            "s" => Duration::from_secs(number),
            "m" => Duration::from_secs(number.checked_mul(60)?),
            "h" => Duration::from_secs(number.checked_mul(3600)?),
            _ => return None,
        })
    });
    interval
        .filter(|interval| (Duration::from_millis(1)..=MAX_INTERVAL).contains(interval))
        .ok_or_else(|| "must be a time from 1ms to 1h, such as 20ms, 10s or 5m".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn load(text: &str) -> Result<Config, Error> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let mut config = Config::default();
        config.load(file.path()).map(|()| config)
    }

    #[test]
    fn every_key_can_be_set() {
        let mut config = Config::default();
        for (key, value) in Config::KEYS.iter().zip([
            "sealed:/x",
            "example.net",
            "/g.mmdb",
            "/a.mmdb",
            "regex",
            "DE,AT",
            "25",
            "20ms",
            "7",
            "/s",
            "/k",
            "true",
        ]) {
            config.set(key, value).unwrap();
        }
        assert_eq!(config.store.as_deref(), Some("sealed:/x"));
        assert_eq!(config.host, "example.net");
        assert_eq!(config.geoip, Some("/g.mmdb".into()));
        assert_eq!(config.asn, Some("/a.mmdb".into()));
        assert_eq!(config.pattern_syntax, Syntax::Regex);
        assert_eq!(config.record_countries, "DE,AT".parse().unwrap());
        assert_eq!(config.retention_months, 25);
        assert_eq!(config.flush_interval, Duration::from_millis(20));
        assert_eq!(config.pending_limit, 7);
        assert_eq!(config.secret_file, Some("/s".into()));
        assert_eq!(config.key_dir, Some("/k".into()));
        assert!(config.read_only);
    }

    #[test]
    fn a_wrong_value_names_the_key_and_changes_nothing() {
        for (key, value) in [
            ("store", "/var/lib"),
            ("pattern_syntax", "perl"),
            ("record_countries", "Germany"),
            ("retention_months", "-1"),
            ("retention_months", "a year"),
            ("flush_interval", "1"),
            ("flush_interval", "0s"),
            ("flush_interval", "2h"),
            ("flush_interval", "99999999999999999999s"),
            ("pending_limit", "0"),
            ("read_only", "yes"),
        ] {
            let mut config = Config::default();
            let message = config.set(key, value).unwrap_err().to_string();
            assert!(message.starts_with(&format!("{key}: ")), "{message}");
            assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
        }
    }

    #[test]
    fn an_unknown_key_is_refused_without_being_repeated() {
        let message = Config::default()
            .set("juliet", "x")
            .unwrap_err()
            .to_string();
        assert!(
            !message.contains("juliet") && message.contains("flush_interval"),
            "{message}"
        );
    }

    #[test]
    fn reads_a_settings_file() {
        let config = load(
            "store = 'memory:'\nretention_months = 25\nrecord_countries = ['DE', 'AT']\n\
             [[client]]\npattern = '^Zom'\ncategory = 'IOS'\n\
             [[client]]\npattern = '.'\ncategory = 'OTHER'\n",
        )
        .unwrap();
        assert_eq!(config.retention_months, 25);
        assert_eq!(config.record_countries, "DE,AT".parse().unwrap());
        let categories: Vec<&str> = config.clients.iter().map(|c| c.category.as_str()).collect();
        assert_eq!(categories, ["IOS", "OTHER"]);
    }

    #[test]
    fn a_wrong_file_is_refused_with_key_or_line() {
        for (text, expected) in [
            ("store = 'memory:'\nx = \n", "line 2"),
            ("host = 'x'\nhost = 'y'\n", "line 2"),
            ("flush = 1", "flush: there is no such key"),
            ("retention_months = 'x'", "retention_months: must be"),
            ("retention_months = 1.5", "retention_months: must be"),
            ("client = 1", "client: must be written as [[client]]"),
            ("[[client]]\npattern = 'x'", "client: needs"),
            (
                "[[client]]\npattern = 'x'\ncategory = ''",
                "client: the category is empty",
            ),
            (
                "[[client]]\npattern = 'x'\ncategory = 'y'\nz = 1",
                "client: needs",
            ),
        ] {
            let message = load(text).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
        assert!(load("").is_ok());
        assert!(Config::default().load(Path::new("/nowhere.toml")).is_err());
    }

    #[test]
    fn a_secret_is_the_content_of_its_file() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut config = Config::default();
        assert!(config.secret().unwrap().is_empty());
        config.secret_file = Some(file.path().into());
        assert!(config.secret().is_err());
        file.write_all(b"0123456789abcdef\n").unwrap();
        assert_eq!(&**config.secret().unwrap(), b"0123456789abcdef");
    }

    #[test]
    fn a_syntax_error_quotes_nothing() {
        let message = load("secret = hunter2 x").unwrap_err().to_string();
        assert!(!message.contains("hunter2"), "{message}");
    }
}
