//! From a login to its keys: place, client and network.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::client::Classifier;
use crate::geo::{AsnTable, GeoTable, Stamp};
use crate::{
    Address, Config, Countries, Error, KeyId, KeyTable, Login, LoginKeys, Network, Place, Resource,
};

/// The category of clients that no pattern matches.
const OTHER: &str = "?";

/// The databases and patterns of a counter. Shared by threads, and answers alike
/// as long as it lives: where a database is replaced, another takes its place.
#[derive(Debug)]
pub struct Lookup {
    sources: Arc<Sources>,
    keys: Arc<KeyTable>,
    /// The key of each pattern's category, in order.
    clients: Box<[KeyId]>,
    /// The key of what no pattern matches.
    other_client: KeyId,
}

/// What stays when a database is replaced.
#[derive(Debug)]
struct Sources {
    geo: Option<PathBuf>,
    asn: Option<PathBuf>,
    /// The files that were read last, or could not be.
    tried: ArcSwap<DatabaseFiles>,
    classifier: Classifier,
    countries: Countries,
}

impl Lookup {
    /// Opens the databases and compiles the patterns of `config`.
    ///
    /// # Errors
    ///
    /// One of them cannot be used.
    pub fn new(config: &Config) -> Result<Self, Error> {
        Self::read(&Arc::new(Sources {
            geo: config.geoip.clone(),
            asn: config.asn.clone(),
            tried: ArcSwap::from_pointee(DatabaseFiles([None; 2])),
            classifier: Classifier::new(config.pattern_syntax, &config.clients)?,
            countries: config.record_countries.clone(),
        }))
    }

    /// The same, with databases that are read again.
    ///
    /// # Errors
    ///
    /// One of them cannot be used.
    pub(crate) fn reloaded(&self) -> Result<Self, Error> {
        Self::read(&self.sources)
    }

    /// The same in the child of a fork, without what the parent has locked.
    pub(crate) fn for_child(&self) -> Self {
        Self::with(&self.sources, KeyTable::new(self.geo(), self.asn()))
    }

    fn read(sources: &Arc<Sources>) -> Result<Self, Error> {
        // Before they are read: one that is replaced meanwhile is read again.
        sources.tried.store(Arc::new(sources.files()));
        let geo = sources.geo.as_deref().map(GeoTable::open).transpose()?;
        let asn = sources.asn.as_deref().map(AsnTable::open).transpose()?;
        Ok(Self::with(sources, KeyTable::new(geo, asn)))
    }

    fn with(sources: &Arc<Sources>, keys: KeyTable) -> Self {
        let key = |category: &str| keys.id(&format!("client-{category}"));
        Self {
            clients: sources.classifier.categories().map(key).collect(),
            other_client: key(OTHER),
            sources: Arc::clone(sources),
            keys: Arc::new(keys),
        }
    }

    /// Whether a file of a database was replaced since it was last read, or
    /// tried to be.
    #[must_use]
    pub fn is_outdated(&self) -> bool {
        **self.sources.tried.load() != self.sources.files()
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
        self.keys.place(address.and_then(Address::ip))
    }

    /// The network of an address, known or not. `None` without a database of
    /// networks.
    #[must_use]
    pub fn network(&self, address: Option<Address<'_>>) -> Option<Network> {
        self.keys.network(address.and_then(Address::ip))
    }

    /// The category of a resource, or `?` when no pattern matches it.
    #[must_use]
    pub fn client(&self, resource: Option<Resource<'_>>) -> &str {
        resource
            .and_then(|resource| self.sources.classifier.classify(resource.expose()))
            .unwrap_or(OTHER)
    }

    /// The keys that a login adds to, numbers of [`Lookup::table`]; `None` when its
    /// country is not counted.
    #[must_use]
    pub fn keys(&self, login: &Login<'_>) -> Option<LoginKeys> {
        let ip = login.address.and_then(Address::ip);
        let place = self.keys.place_key(ip, &self.sources.countries)?;
        let first_match =
            |resource: Resource| self.sources.classifier.first_match(resource.expose());
        let client = login.resource.and_then(first_match);
        let client = client.and_then(|number| self.clients.get(number));
        Some(LoginKeys {
            place,
            client: *client.unwrap_or(&self.other_client),
            asn: self.keys.network_key(ip),
        })
    }

    /// What the numbers of keys mean.
    #[must_use]
    pub fn table(&self) -> &Arc<KeyTable> {
        &self.keys
    }
}

impl Sources {
    fn files(&self) -> DatabaseFiles {
        let stamp = |path: &Option<PathBuf>| path.as_deref().and_then(Stamp::of);
        DatabaseFiles([stamp(&self.geo), stamp(&self.asn)])
    }
}

/// What tells the files of both databases from those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct DatabaseFiles([Option<Stamp>; 2]);
