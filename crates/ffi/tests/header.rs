//! The header that is checked in is the one that cbindgen makes.
//!
//! `make header` runs this test with `MV_WRITE_HEADER=1`, which writes it.

use std::path::Path;

#[test]
fn the_header_is_what_cbindgen_makes() {
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = crate_dir.join("../../include/monthly_visitors.h");
    let mut made = Vec::new();
    cbindgen::generate(crate_dir).unwrap().write(&mut made);
    let made = String::from_utf8(made).unwrap();
    if std::env::var_os("MV_WRITE_HEADER").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == made,
        "include/monthly_visitors.h is not what the sources say: run `make header`"
    );
}
