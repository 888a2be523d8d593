//! A database that is in use: first the file's bytes, then the table made of
//! them.

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwapOption;

use super::database::{Database, Value};
use super::ranges::UNKNOWN;
use super::walk::Numbered;
use crate::sync::Mutex;
use crate::{Error, fork, threads};

/// The name of the thread, by which a host recognises it.
const THREAD_NAME: &str = "mv-geo";

/// What addresses have according to one database.
///
/// Opening reads the file and looks at its beginning. The first look-up starts
/// a thread that builds the table; until that is there, the file's bytes
/// answer. So who opens a database without asking it has no thread, nor has who
/// forks before the first login. In the child of a later fork, the next look-up
/// starts another thread.
///
/// Dropping waits for the thread, which stops within milliseconds.
#[derive(Debug)]
pub struct Table<V: Value> {
    pub(super) path: PathBuf,
    built: u64,
    state: Arc<State<V>>,
    /// Never waited for: a fork may copy it in a locked state.
    builder: Mutex<Option<Builder>>,
}

/// What an address has, or its number in the table: the same one as long as
/// there is the table.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found<V> {
    Number(u32),
    Value(V),
}

impl<V> Found<V> {
    /// Nothing, in whatever table.
    pub(crate) const NOTHING: Self = Self::Number(UNKNOWN);
}

/// What the thread has in common with those who look up.
#[derive(Debug)]
struct State<V> {
    numbered: OnceLock<Numbered<V>>,
    /// Until there is the table.
    database: ArcSwapOption<Database>,
    failure: OnceLock<Error>,
    stop: AtomicBool,
}

#[derive(Debug)]
struct Builder {
    /// That of the process in which the thread is.
    generation: u32,
    thread: Option<JoinHandle<()>>,
}

impl<V: Value> Table<V> {
    /// Reads a database, unless the process has it in memory already.
    ///
    /// # Errors
    ///
    /// The file cannot be read, is no such database, or has nothing of what it
    /// is for.
    pub fn open(path: &Path) -> Result<Arc<Self>, Error> {
        V::shared().get(path, Self::read)
    }

    fn read(path: &Path) -> Result<Self, Error> {
        let database = Database::open::<V>(path)?;
        Ok(Self {
            path: path.into(),
            built: database.reader.metadata().build_epoch,
            state: Arc::new(State {
                numbered: OnceLock::new(),
                database: ArcSwapOption::from_pointee(database),
                failure: OnceLock::new(),
                stop: AtomicBool::new(false),
            }),
            builder: Mutex::new(None),
        })
    }

    /// What `address` has; nothing when it is not there, or where the database
    /// is damaged. Waits for nobody.
    #[must_use]
    pub fn lookup(&self, address: IpAddr) -> V {
        match self.find(address) {
            Found::Number(number) => self.value(number),
            Found::Value(value) => value,
        }
    }

    /// The same, without reading what the number means: where that is, memory is
    /// cold.
    pub(crate) fn find(&self, address: IpAddr) -> Found<V> {
        if let Some(numbered) = self.state.numbered.get() {
            return Found::Number(numbered.number(address));
        }
        self.start_building();
        if let Some(database) = &*self.state.database.load() {
            return Found::Value(database.value(address));
        }
        // It has just been replaced.
        let numbered = self.state.numbered.get();
        let number = numbered.map(|numbered| numbered.number(address));
        number.map_or_else(|| Found::Value(V::default()), Found::Number)
    }

    /// What a number of this table means.
    pub(crate) fn value(&self, number: u32) -> V {
        let numbered = self.state.numbered.get();
        numbered.map_or_else(V::default, |numbered| numbered.value(number))
    }

    /// Builds the table, unless it is there. Takes about a second for a large
    /// database.
    ///
    /// # Errors
    ///
    /// The database is damaged. Its bytes go on answering, as far as they can.
    pub fn build(&self) -> Result<(), Error> {
        self.state.build(&self.path);
        self.state.failure.get().cloned().map_or(Ok(()), Err)
    }

    /// Why there will be no table, if that is so. The database still answers.
    #[must_use]
    pub fn failure(&self) -> Option<&Error> {
        self.state.failure.get()
    }

    /// The memory that the table takes, in bytes; `None` until it is built.
    #[must_use]
    pub fn size(&self) -> Option<usize> {
        self.state.numbered.get().map(Numbered::size)
    }

    /// When the database was built, in Unix seconds.
    #[must_use]
    pub fn built(&self) -> u64 {
        self.built
    }

    /// The database itself; from its file, when there is a table instead.
    pub(super) fn database(&self) -> Result<Arc<Database>, Error> {
        match self.state.database.load_full() {
            Some(database) => Ok(database),
            None => Database::open::<V>(&self.path).map(Arc::new),
        }
    }

    fn start_building(&self) {
        if self.state.failure.get().is_some() {
            return;
        }
        let Some(mut builder) = self.builder.try_lock_for(Duration::ZERO) else {
            return;
        };
        let generation = fork::generation();
        if builder
            .as_ref()
            .is_some_and(|builder| builder.generation == generation)
        {
            return;
        }
        let (state, path) = (Arc::clone(&self.state), self.path.clone());
        let thread = threads::spawn(THREAD_NAME, move || state.build(&path));
        let parents = builder.replace(Builder {
            generation,
            // Without a thread the bytes go on answering.
            thread: thread.ok(),
        });
        // There is no such thread here to let go of.
        std::mem::forget(parents);
    }
}

impl<V: Value> State<V> {
    fn build(&self, path: &Path) {
        let Some(database) = self.database.load_full() else {
            return;
        };
        let stopped = || self.stop.load(Ordering::Relaxed);
        let built = catch_unwind(AssertUnwindSafe(|| Numbered::build(&database, stopped)));
        let failure = match built {
            Ok(Ok(Some(numbered))) => {
                // Somebody else may have built the same.
                let _ = self.numbered.set(numbered);
                self.database.store(None);
                return;
            }
            Ok(Ok(None)) => return,
            Ok(Err(reason)) => super::error(path, reason),
            Err(_) => super::error(path, "internal error".into()),
        };
        let _ = self.failure.set(failure);
    }
}

impl<V: Value> Drop for Table<V> {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::Relaxed);
        let Some(mut builder) = self.builder.try_lock_for(Duration::ZERO) else {
            return;
        };
        match builder.take() {
            Some(Builder {
                generation,
                thread: Some(thread),
            }) if generation == fork::generation() => {
                // A panic in the thread is dealt with there.
                let _ = thread.join();
            }
            parents => std::mem::forget(parents),
        }
    }
}
