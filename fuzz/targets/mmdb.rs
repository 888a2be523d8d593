//! MaxMind databases: opened, looked up, and made into a table that says what
//! the file says.
#![no_main]

use std::cell::RefCell;
use std::io::{Seek as _, Write as _};

use libfuzzer_sys::fuzz_target;
use monthly_visitors::fuzzing::geo;
use tempfile::NamedTempFile;

thread_local! {
    static FILE: RefCell<NamedTempFile> = RefCell::new(NamedTempFile::new().unwrap());
}

fuzz_target!(|bytes: &[u8]| {
    let Some((address, bytes)) = bytes.split_first_chunk() else {
        return;
    };
    FILE.with_borrow_mut(|file| {
        file.as_file().set_len(0).unwrap();
        file.rewind().unwrap();
        file.write_all(bytes).unwrap();
        geo::compare(file.path(), u128::from_be_bytes(*address));
    });
});
