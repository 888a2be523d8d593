//! The counter: what a host opens, records into, asks and closes.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::geo::GeoTable;
use crate::recorder::{PATIENCE, Recorder, Settings, Stage, View};
use crate::sync::Mutex;
use crate::{Config, Error, Health, Login, Month, Totals, User};

/// How long a counter that is dropped waits for the store.
const LAST_PATIENCE: Duration = Duration::from_secs(1);

/// Counts the users of one host. Shared by threads.
///
/// Recording touches memory only: it never waits for a disk, a network or the
/// writer. Everything else may wait.
///
/// After a fork the child leaves the parent's pending visits and open files to
/// the parent, and begins afresh, with the same settings, at its first login.
/// A `fork` while another thread opens or closes a counter leaves that counter
/// unusable in the child.
pub struct Counter {
    /// Where logins look. There is none before the counter is first opened.
    stage: OnceLock<Arc<Stage>>,
    /// Held while the counter is opened or closed.
    opening: Mutex<()>,
}

impl Counter {
    /// A closed counter.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            stage: OnceLock::new(),
            opening: Mutex::new(()),
        }
    }

    /// Opens the counter. On an open counter, changes its settings: a login
    /// sees all of the old ones or all of the new ones. While the counter moves
    /// to another store, logins are refused as if it were closed.
    ///
    /// # Errors
    ///
    /// A setting is wrong, or a database or the store cannot be opened. Nothing
    /// has changed.
    pub fn open(&self, config: &Config) -> Result<(), Error> {
        let _opening = self.opening.lock();
        match self.current() {
            Ok(recorder) if recorder.check().is_ok() => self.reopen(&recorder, config),
            _ => self.open_new(config),
        }
    }

    fn open_new(&self, config: &Config) -> Result<(), Error> {
        let stage = self.stage.get_or_init(Arc::default);
        // A broken counter still holds the lock of its store.
        if let Some(broken) = stage.swap(None) {
            broken.recorder.abandon();
        }
        let recorder = Recorder::open(config, stage)?;
        recorder.retain();
        recorder.show();
        Ok(())
    }

    fn reopen(&self, recorder: &Arc<Recorder>, given: &Config) -> Result<(), Error> {
        let old = recorder.settings.load_full();
        let config = given.with_paths_of(&old.given, &old.config);
        if old.config.store != config.store {
            let stage = self.stage.get_or_init(Arc::default);
            let next = Recorder::open(given, stage)?;
            if let Err(error) = recorder.close(PATIENCE) {
                next.abandon();
                return Err(error);
            }
            next.retain();
            next.show();
            return Ok(());
        }
        for (key, changed) in [
            ("host", old.config.host != config.host),
            ("secret_file", old.config.secret_file != config.secret_file),
            ("key_dir", old.config.key_dir != config.key_dir),
            ("read_only", old.config.read_only != config.read_only),
        ] {
            if changed {
                let reason = "cannot change while the store is open; close the counter first";
                return Err(Error::config(key, reason));
            }
        }
        recorder.change_settings(Settings::new(given, config)?);
        recorder.retain();
        Ok(())
    }

    /// Counts a login, in memory.
    ///
    /// The answer is the same for a new and for a known user: it tells nobody
    /// whether somebody was here before.
    ///
    /// # Errors
    ///
    /// The counter is closed, the month of the login is, its time is out of
    /// range, or too many visits are pending. The login is not counted; if the
    /// user comes again, that login may be.
    pub fn record(&self, login: &Login<'_>) -> Result<(), Error> {
        let view = self.stage.get().ok_or(Error::Closed)?.load();
        match view.as_ref() {
            Some(view) if view.is_ours() => view.record(login),
            Some(_) => self.view()?.record(login),
            None => Err(Error::Closed),
        }
    }

    /// Waits until everything that was recorded before is in the store.
    ///
    /// # Errors
    ///
    /// The store cannot be written, or the time has passed. Nothing is lost:
    /// the writer goes on trying.
    pub fn flush(&self, timeout: Duration) -> Result<(), Error> {
        self.current()?.flush(timeout)
    }

    /// Flushes and closes the counter, which may be opened again.
    ///
    /// # Errors
    ///
    /// The store cannot be written, or does not answer within a minute: the
    /// counter is as open as before.
    pub fn close(&self) -> Result<(), Error> {
        self.close_within(PATIENCE)
    }

    fn close_within(&self, timeout: Duration) -> Result<(), Error> {
        let _opening = self.opening.lock();
        let recorder = self.current()?;
        if recorder.check().is_ok() {
            recorder.close(timeout)?;
        } else {
            recorder.abandon();
        }
        self.hide();
        Ok(())
    }

    /// Reads the databases of places and networks again.
    ///
    /// # Errors
    ///
    /// One of them cannot be used; the old ones stay.
    pub fn reload_geoip(&self) -> Result<(), Error> {
        self.current()?.reload()
    }

    /// How the counter is.
    ///
    /// # Errors
    ///
    /// The counter is closed.
    pub fn health(&self) -> Result<Health, Error> {
        Ok(self.current()?.health())
    }

    /// All totals, visits included that the store does not have yet.
    ///
    /// # Errors
    ///
    /// The counter is closed, or the store cannot be read.
    pub fn totals(&self) -> Result<Totals, Error> {
        self.current()?.totals()
    }

    /// Deletes the totals of the months before `before`, and returns which
    /// they were. Open months stay.
    ///
    /// # Errors
    ///
    /// The counter is closed, or the store cannot be written.
    pub fn purge(&self, before: Month) -> Result<Vec<Month>, Error> {
        self.current()?.purge(before)
    }

    /// Deletes what is kept of `user`, because the account was deleted: in memory
    /// at once, in the store like a visit. The counts stay. A user who comes
    /// again counts again.
    ///
    /// # Errors
    ///
    /// The counter is closed, or too much is pending. Nothing is deleted.
    pub fn forget(&self, user: User<'_>) -> Result<(), Error> {
        self.current()?.forget(user)
    }

    /// The database of places that is in use, if there is one.
    ///
    /// # Errors
    ///
    /// The counter is closed.
    pub fn places(&self) -> Result<Option<Arc<GeoTable>>, Error> {
        Ok(self.current()?.settings.load().lookup.geo())
    }

    /// The virtual host of the counter.
    ///
    /// # Errors
    ///
    /// The counter is closed.
    pub fn host(&self) -> Result<String, Error> {
        Ok(self.current()?.settings.load().config.host.clone())
    }

    /// Marks the counter as unusable after a panic: everything fails with
    /// [`Error::Internal`] until it is opened again.
    pub fn break_down(&self) {
        if let Some(view) = self.stage.get().and_then(|stage| stage.load_full()) {
            view.recorder.break_down();
        }
    }

    /// The recorder of this process.
    fn current(&self) -> Result<Arc<Recorder>, Error> {
        Ok(Arc::clone(&self.view()?.recorder))
    }

    /// The view of this process: after a fork, a new one.
    fn view(&self) -> Result<Arc<View>, Error> {
        let stage = self.stage.get().ok_or(Error::Closed)?;
        loop {
            let view = stage.load_full().ok_or(Error::Closed)?;
            if view.is_ours() {
                return Ok(view);
            }
            let ours = Recorder::for_child(&view)?.first_view();
            let previous = stage.compare_and_swap(&view, Some(ours));
            // The parent's is never dropped: that would close its files.
            std::mem::forget(view);
            drop(previous);
        }
    }

    /// Has logins find the counter closed.
    fn hide(&self) -> Option<Arc<View>> {
        self.stage.get()?.swap(None)
    }
}

impl Default for Counter {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Counter {
    /// Closes the counter. What cannot be written within a second is lost.
    fn drop(&mut self) {
        if self.close_within(LAST_PATIENCE).is_err() {
            if let Some(view) = self.hide() {
                view.recorder.abandon();
            }
        }
    }
}

impl fmt::Debug for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Counter(..)")
    }
}
