//! From a login to its keys: place, client and network.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::{ArcSwap, ArcSwapOption};

use crate::client::Classifier;
use crate::geo::{AsnTable, GeoTable, Stamp};
use crate::{Address, Config, Countries, Error, KeyId, KeyTable, Login, Network, Place, Resource};

/// The databases and patterns of a counter. Shared by threads; a look-up waits
/// for nobody, not even for a database that is being replaced.
#[derive(Debug)]
pub struct Lookup {
    geo: ArcSwapOption<GeoTable>,
    asn: ArcSwapOption<AsnTable>,
    /// The files that were read, or could not be.
    tried: ArcSwap<DatabaseFiles>,
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
            tried: ArcSwap::from_pointee(DatabaseFiles([None; 2])),
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
        // Before they are read: one that is replaced meanwhile is read again.
        self.tried.store(Arc::new(self.files()));
        let geo = self.geo_path.as_deref().map(GeoTable::open).transpose()?;
        let asn = self.asn_path.as_deref().map(AsnTable::open).transpose()?;
        self.geo.store(geo);
        self.asn.store(asn);
        Ok(())
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
        self.geo.load_full()
    }

    /// The database of networks, if there is one.
    #[must_use]
    pub fn asn(&self) -> Option<Arc<AsnTable>> {
        self.asn.load_full()
    }

    /// The place of an address; unknown without a database, without an
    /// address, or where the text is none.
    #[must_use]
    pub fn place(&self, address: Option<Address<'_>>) -> Place {
        match (self.geo.load().as_deref(), address.and_then(Address::ip)) {
            (Some(geo), Some(ip)) => geo.lookup(ip),
            _ => Place::default(),
        }
    }

    /// The network of an address, known or not. `None` without a database of
    /// networks.
    #[must_use]
    pub fn network(&self, address: Option<Address<'_>>) -> Option<Network> {
        let asn = self.asn.load();
        let table = asn.as_deref()?;
        let ip = address.and_then(Address::ip);
        Some(ip.map_or_else(Network::default, |ip| table.lookup(ip)))
    }

    /// The category of a resource, or `?` when no pattern matches it.
    #[must_use]
    pub fn client(&self, resource: Option<Resource<'_>>) -> &str {
        resource
            .and_then(|resource| self.classifier.classify(resource.expose()))
            .unwrap_or("?")
    }

    /// The keys that a login adds to, or `None` when its country is not
    /// counted.
    #[must_use]
    pub fn keys(&self, login: &Login<'_>, keys: &KeyTable) -> Option<LoginKeys> {
        let place = self.place(login.address);
        if !self.countries.admit(place.country) {
            return None;
        }
        Some(LoginKeys {
            place: keys.id(format_args!("geo-{place}")),
            client: keys.id(format_args!("client-{}", self.client(login.resource))),
            asn: self
                .network(login.address)
                .map(|network| keys.id(format_args!("asn-{network}"))),
        })
    }
}

/// What tells the files of both databases from those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct DatabaseFiles([Option<Stamp>; 2]);
