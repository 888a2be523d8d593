//! From a login to its keys: place, client and network.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::client::{Classifier, ClientPattern};
use crate::geo::{AsnTable, GeoTable, Stamp};
use crate::{
    Address, Config, Countries, Error, KeyTable, Login, LoginKeys, Network, Place, Resource,
};

/// The databases and patterns of a counter. Shared by threads, and never changed:
/// where a database is replaced, another one takes its place.
#[derive(Debug)]
pub struct Lookup {
    keys: Arc<KeyTable>,
    /// The files that were read last, or could not be.
    tried: ArcSwap<DatabaseFiles>,
    geo_path: Option<PathBuf>,
    asn_path: Option<PathBuf>,
    /// What it finds is the key itself: a login then makes no text.
    classifier: Arc<Classifier>,
    countries: Countries,
}

impl Lookup {
    /// Opens the databases and compiles the patterns of `config`.
    ///
    /// # Errors
    ///
    /// One of them cannot be used.
    pub fn new(config: &Config) -> Result<Self, Error> {
        let clients = config.clients.iter().map(|client| ClientPattern {
            pattern: client.pattern.clone(),
            category: format!("client-{}", client.category),
        });
        let clients: Vec<ClientPattern> = clients.collect();
        let lookup = Self {
            keys: Arc::default(),
            tried: ArcSwap::from_pointee(DatabaseFiles([None; 2])),
            geo_path: config.geoip.clone(),
            asn_path: config.asn.clone(),
            classifier: Arc::new(Classifier::new(config.pattern_syntax, &clients)?),
            countries: config.record_countries.clone(),
        };
        lookup.reloaded()
    }

    /// The same, with databases that are read again.
    ///
    /// # Errors
    ///
    /// One of them cannot be used.
    pub(crate) fn reloaded(&self) -> Result<Self, Error> {
        // Before they are read: one that is replaced meanwhile is read again.
        self.tried.store(Arc::new(self.files()));
        let geo = self.geo_path.as_deref().map(GeoTable::open).transpose()?;
        let asn = self.asn_path.as_deref().map(AsnTable::open).transpose()?;
        Ok(self.with_keys(KeyTable::new(geo, asn)))
    }

    /// The same in the child of a fork, without what the parent has locked.
    pub(crate) fn for_child(&self) -> Self {
        self.with_keys(KeyTable::new(self.geo(), self.asn()))
    }

    fn with_keys(&self, keys: KeyTable) -> Self {
        Self {
            keys: Arc::new(keys),
            tried: ArcSwap::new(self.tried.load_full()),
            geo_path: self.geo_path.clone(),
            asn_path: self.asn_path.clone(),
            classifier: Arc::clone(&self.classifier),
            countries: self.countries.clone(),
        }
    }

    /// Whether a file of a database was replaced since it was last read, or
    /// tried to be.
    #[must_use]
    pub fn is_outdated(&self) -> bool {
        **self.tried.load() != self.files()
    }

    fn files(&self) -> DatabaseFiles {
        let stamp = |path: &Option<PathBuf>| path.as_deref().and_then(Stamp::of);
        DatabaseFiles([stamp(&self.geo_path), stamp(&self.asn_path)])
    }

    /// Why databases that are in use are not made into tables, where that is
    /// so. Their bytes still answer.
    #[must_use]
    pub fn failures(&self) -> Vec<Error> {
        let (geo, asn) = (self.geo(), self.asn());
        let failures = [
            geo.as_deref().and_then(GeoTable::failure),
            asn.as_deref().and_then(AsnTable::failure),
        ];
        failures.into_iter().flatten().cloned().collect()
    }

    /// The database of places, if there is one.
    #[must_use]
    pub fn geo(&self) -> Option<Arc<GeoTable>> {
        self.keys.geo().cloned()
    }

    /// The database of networks, if there is one.
    #[must_use]
    pub fn asn(&self) -> Option<Arc<AsnTable>> {
        self.keys.asn().cloned()
    }

    /// The place of an address; unknown without a database, without an
    /// address, or where the text is none.
    #[must_use]
    pub fn place(&self, address: Option<Address<'_>>) -> Place {
        match (self.keys.geo(), address.and_then(Address::ip)) {
            (Some(geo), Some(ip)) => geo.lookup(ip),
            _ => Place::default(),
        }
    }

    /// The network of an address, known or not. `None` without a database of
    /// networks.
    #[must_use]
    pub fn network(&self, address: Option<Address<'_>>) -> Option<Network> {
        let table = self.keys.asn()?;
        let ip = address.and_then(Address::ip);
        Some(ip.map_or_else(Network::default, |ip| table.lookup(ip)))
    }

    /// The key of a resource's client: `client-` and its category, or
    /// `client-?` when no pattern matches it.
    #[must_use]
    pub fn client(&self, resource: Option<Resource<'_>>) -> &str {
        resource
            .and_then(|resource| self.classifier.classify(resource.expose()))
            .unwrap_or("client-?")
    }

    /// The keys that a login adds to, numbers of [`Lookup::table`]; `None` when its
    /// country is not counted.
    #[must_use]
    pub fn keys(&self, login: &Login<'_>) -> Option<LoginKeys> {
        let ip = login.address.and_then(Address::ip);
        Some(LoginKeys {
            place: self.keys.place(ip, &self.countries)?,
            client: self.keys.id(self.client(login.resource)),
            asn: self.keys.network(ip),
        })
    }

    /// What the numbers of keys mean.
    #[must_use]
    pub fn table(&self) -> &Arc<KeyTable> {
        &self.keys
    }
}

/// What tells the files of both databases from those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct DatabaseFiles([Option<Stamp>; 2]);
