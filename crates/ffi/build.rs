//! Gives the shared library its name and keeps it loaded.

fn main() {
    println!("cargo:rerun-if-changed=ABI");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux") {
        return;
    }
    let abi = include_str!("ABI").trim();
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libmonthly_visitors.so.{abi}");
    // A host may unload plugins while the writer still runs: code that a thread
    // is in must not go away.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
