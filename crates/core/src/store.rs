//! Where totals and markers are kept: one trait, one contract, and the stores.

use std::path::Path;
use std::sync::Arc;

use crate::{Config, Counts, Error, KeptUser, Marker, Month, MonthKey, Realm, Totals};

#[cfg(test)]
pub(crate) mod contract;
pub mod dat;
pub(crate) mod files;
pub(crate) mod lock;
mod memory;
mod prosody;
mod sealed;
mod visits;

pub use memory::Memory;
pub use prosody::Prosody;
pub use sealed::Sealed;
#[cfg(fuzzing)]
pub use sealed::fuzzing;
pub(crate) use visits::Room;
pub use visits::{Visit, Visits};

/// How a store is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To record: no other process may record at the same time.
    Record,
    /// To read totals, also while another process records. Nothing is written.
    Read,
}

/// Opens the store that `config` names, for the users of `realm`.
///
/// # Errors
///
/// The setting is missing or names no store, or the store cannot be opened.
pub fn open(config: &Config, realm: &Realm) -> Result<Box<dyn Store>, Error> {
    let (scheme, place) = place(config)?;
    let access = if config.read_only {
        Access::Read
    } else {
        Access::Record
    };
    let keys = config.key_dir.as_deref();
    match scheme {
        "sealed" => Ok(Box::new(Sealed::open(
            place,
            keys,
            realm,
            access,
            &config.log,
        )?)),
        "prosody" => Ok(Box::new(Prosody::open(place, access, &config.log)?)),
        "memory" => Ok(Box::new(Memory::new(realm))),
        _ => Err(Error::config(
            "store",
            "must begin with sealed:, prosody: or memory:",
        )),
    }
}

/// The two parts of the setting: which kind of store, and its folder.
fn place(config: &Config) -> Result<(&str, &Path), Error> {
    let url = config
        .store
        .as_deref()
        .ok_or_else(|| Error::config("store", "is not set"))?;
    let (scheme, place) = url.split_once(':').unwrap_or((url, ""));
    if place.is_empty() && scheme != "memory" {
        return Err(Error::config("store", "names no folder"));
    }
    Ok((scheme, place.as_ref()))
}

/// Reads all that a counter with these settings would find, and changes
/// nothing; `None` if there is no store yet, and recording would make it. Also
/// says what would stop it from recording, or make a month start anew: a folder
/// that may not be written, another host, a key that is missing, a month under
/// another secret.
///
/// # Errors
///
/// The store cannot be read, or one of these.
pub fn probe(config: &Config) -> Result<Option<Totals>, Error> {
    let (scheme, place) = place(config)?;
    let realm = config.realm()?;
    let records = !config.read_only;
    let found = if scheme == "sealed" && records && files::is_missing(place) {
        None
    } else {
        let reading = Config {
            read_only: true,
            ..config.clone()
        };
        let mut store = open(&reading, &realm)?;
        let totals = store.totals()?;
        if records {
            store.load()?;
        }
        Some(totals)
    };
    if records && scheme != "memory" {
        let keys = config.key_dir.as_deref().filter(|_| scheme == "sealed");
        std::iter::once(place)
            .chain(keys)
            .try_for_each(check_folder)?;
    }
    Ok(found)
}

/// Fails where files cannot be made in `folder`, or the folder itself if it is
/// missing.
fn check_folder(folder: &Path) -> Result<(), Error> {
    let (doing, folder) = if files::is_missing(folder) {
        ("make a folder in", files::folder_of(folder))
    } else {
        ("write to", folder)
    };
    files::may_write(folder)
        .map_err(|error| Error::io(format!("cannot {doing} {}", folder.display()), &error))
}

/// What a store must keep of an open month besides markers and counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MonthState {
    /// The key of the month's markers.
    pub key: MonthKey,
    /// The time of the month's earliest login, in Unix seconds, as long as an
    /// earlier month may be open; `None` once they are all closed.
    pub first: Option<i64>,
}

/// Visits of one month, to be committed together, in the order of the logins.
///
/// Of one month, because a failure then leaves nothing of the batch written
/// that is still taken to be pending.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The month in which they count.
    pub month: Month,
    /// What else is to be kept of it.
    pub state: &'a MonthState,
    /// The visits.
    pub visits: &'a Visits,
}

/// A user who is to be forgotten.
#[derive(Clone, Debug)]
pub struct Forgotten {
    /// Who it is, for a store whose [`Character::keeps_users`].
    pub user: KeptUser,
    /// Their markers in the open months.
    pub markers: Vec<(Month, Marker)>,
}

/// An open month as a store found it.
#[derive(Clone, Debug)]
pub struct OpenMonth {
    /// Which one.
    pub month: Month,
    /// Its key and first login.
    pub state: MonthState,
    /// The markers of all users that count, sorted, each once.
    pub markers: Arc<Vec<Marker>>,
}

/// What a counter must know of a store before it can record.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The months that are open, in order of time.
    pub open: Vec<OpenMonth>,
    /// Every month before this one is closed.
    pub closed_before: Month,
}

/// How a counter treats a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Character {
    /// Visits carry the user, and the store decides by itself whether a user
    /// is new. What the counter has seen is then only a cache.
    pub keeps_users: bool,
    /// Months close. If not, a visit of any month may come at any time.
    pub closes_months: bool,
}

/// A month's totals and markers on their way from one store to another.
#[derive(Clone, Debug)]
pub struct MonthCopy {
    /// The month's counts.
    pub counts: Counts,
    /// Visits of this month were lost.
    pub incomplete: bool,
    /// Who is counted in it; nobody for a closed month.
    pub marks: Marks,
}

/// Who is counted in a month, in the form that the source keeps it.
#[derive(Clone, Debug)]
pub enum Marks {
    /// The month is closed: that is not known.
    Closed,
    /// Users by name.
    Users(Vec<KeptUser>),
    /// Markers under the month's key.
    Keyed(OpenMonth),
}

/// Keeps totals and markers. Called by one thread at a time.
///
/// Every store passes the same tests, in `store/contract.rs`.
///
/// A method that fails has changed nothing that a later call could see, except
/// where it says otherwise. No message contains a user name, nor the name of a
/// file that is made from one.
pub trait Store: Send {
    /// How a counter is to treat this store. Never changes.
    fn character(&self) -> Character;

    /// Reads what a counter must know before it records.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn load(&mut self) -> Result<Loaded, Error>;

    /// Adds visits: for each, the marker and its counts, or neither.
    ///
    /// A visit whose marker the store has already adds nothing, so a batch may
    /// be committed again when the answer was lost. When it returns, the visits
    /// survive a crash of the process and a loss of power.
    ///
    /// # Errors
    ///
    /// The store cannot be written. Some visits of the batch may be in the
    /// store all the same; the batch should be committed again.
    fn commit(&mut self, batch: &Batch<'_>) -> Result<(), Error>;

    /// Closes all months before `month`: their totals become final, and
    /// everything that leads to their users is destroyed. Does nothing to a
    /// store whose months do not close.
    ///
    /// # Errors
    ///
    /// The store cannot be written. Call it again: a month half closed is
    /// finished then, or when the store is next opened.
    fn close_before(&mut self, month: Month) -> Result<(), Error>;

    /// All totals.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn totals(&mut self) -> Result<Totals, Error>;

    /// Deletes the totals of the months before `before`, except open ones, and
    /// returns which they were. Where months do not close, the newest one
    /// counts as open.
    ///
    /// # Errors
    ///
    /// The store cannot be written; some of the months may be deleted.
    fn purge(&mut self, before: Month) -> Result<Vec<Month>, Error>;

    /// Deletes what the store keeps of these users. The counts stay. Returns
    /// nothing, so that nobody can ask it whether a user was here.
    ///
    /// # Errors
    ///
    /// The store cannot be written. Some of it may be deleted.
    fn forget(&mut self, users: &[Forgotten]) -> Result<(), Error>;

    /// Each user that the store keeps by name, with the last month in which
    /// they counted. Nobody for a store that does not keep names.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    fn users(&mut self) -> Result<Vec<(KeptUser, Month)>, Error>;

    /// Counts of a month and who is counted in it, both as of one moment, also
    /// while another process records; `None` if there is nothing of it. Where
    /// months do not close, the newest one counts as open: its users must not
    /// count again elsewhere.
    ///
    /// # Errors
    ///
    /// The month cannot be read.
    fn export(&mut self, month: Month) -> Result<Option<MonthCopy>, Error>;

    /// Replaces what the store has of `month` by a copy from another store.
    ///
    /// # Errors
    ///
    /// The store cannot be written, it cannot keep marks of this form, or it
    /// has counted users of its own who are not in the copy.
    fn import(&mut self, month: Month, copy: &MonthCopy) -> Result<(), Error>;
}
