//! From a login to its keys: place, client and network.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::SystemTime;

use arc_swap::{ArcSwapOption, Guard};
use std::sync::Arc;

use crate::client::Classifier;
use crate::geo::{AsnTable, GeoTable};
use crate::{Config, Countries, Error, KeyId, KeyTable, address};

/// The databases and patterns of a counter. Shared by threads; a look-up waits
/// for nobody, not even for a database that is being replaced.
#[derive(Debug)]
pub struct Lookup {
    geo: ArcSwapOption<GeoTable>,
    asn: ArcSwapOption<AsnTable>,
    geo_path: Option<PathBuf>,
    asn_path: Option<PathBuf>,
    classifier: Classifier,
    countries: Countries,
}

/// The keys that a login adds to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginKeys {
    /// The `geo-` key.
    pub place: KeyId,
    /// The `client-` key.
    pub client: KeyId,
    /// The `asn-` key, with a database of networks.
    pub asn: Option<KeyId>,
}

impl Lookup {
    /// Opens the databases and compiles the patterns of `config`.
    ///
    /// # Errors
    ///
    /// One of them cannot be used.
    pub fn new(config: &Config) -> Result<Self, Error> {
        let lookup = Self {
            geo: ArcSwapOption::empty(),
            asn: ArcSwapOption::empty(),
            geo_path: config.geoip.clone(),
            asn_path: config.asn.clone(),
            classifier: Classifier::new(config.pattern_syntax, &config.clients)?,
            countries: config.record_countries.clone(),
        };
        lookup.reload()?;
        Ok(lookup)
    }

    /// Reads the databases again. The old ones serve until both new ones are
    /// there.
    ///
    /// # Errors
    ///
    /// One of them cannot be used; the old ones stay, both.
    pub fn reload(&self) -> Result<(), Error> {
        let geo = self.geo_path.as_deref().map(GeoTable::open).transpose()?;
        let asn = self.asn_path.as_deref().map(AsnTable::open).transpose()?;
        self.geo.store(geo.map(Arc::new));
        self.asn.store(asn.map(Arc::new));
        Ok(())
    }

    /// What the files of the databases look like now: differs when one of them
    /// was replaced.
    #[must_use]
    pub fn files(&self) -> DatabaseFiles {
        let look = |path: &Option<PathBuf>| {
            let data = std::fs::metadata(path.as_ref()?).ok()?;
            Some((data.modified().ok()?, data.len()))
        };
        DatabaseFiles([look(&self.geo_path), look(&self.asn_path)])
    }

    /// The database of places, if there is one.
    #[must_use]
    pub fn geo(&self) -> Guard<Option<Arc<GeoTable>>> {
        self.geo.load()
    }

    /// The `geo-` key's text for an address as the host gave it.
    #[must_use]
    pub fn place(&self, ip: Option<&[u8]>) -> crate::Place {
        match (self.geo.load().as_deref(), parse(ip)) {
            (Some(geo), Some(address)) => geo.lookup(address),
            _ => crate::Place::default(),
        }
    }

    /// The category of a resource, if a pattern matches it.
    #[must_use]
    pub fn client(&self, resource: Option<&[u8]>) -> Option<&str> {
        self.classifier.classify(resource?)
    }

    /// The keys of a login, or `None` when its country is not counted.
    #[must_use]
    pub fn keys(
        &self,
        ip: Option<&[u8]>,
        resource: Option<&[u8]>,
        keys: &KeyTable,
    ) -> Option<LoginKeys> {
        let place = self.place(ip);
        if !self.countries.admit(place.country) {
            return None;
        }
        let asn = self.asn.load().as_deref().map(|table| {
            match parse(ip).and_then(|address| table.lookup(address)) {
                Some(number) => keys.id(&format!("asn-AS{number}")),
                None => keys.id("asn-?"),
            }
        });
        Some(LoginKeys {
            place: keys.id(&format!("geo-{place}")),
            client: keys.id(&format!("client-{}", self.client(resource).unwrap_or("?"))),
            asn,
        })
    }
}

/// Times and sizes of the database files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatabaseFiles([Option<(SystemTime, u64)>; 2]);

fn parse(ip: Option<&[u8]>) -> Option<IpAddr> {
    address::parse(ip?)
}
