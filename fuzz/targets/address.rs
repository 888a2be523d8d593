//! Addresses: what is one is one again as it is printed, and where the standard
//! library reads one, so do we.
#![no_main]

use std::net::{IpAddr, SocketAddr};

use libfuzzer_sys::fuzz_target;
use monthly_visitors::Address;

fuzz_target!(|bytes: &[u8]| {
    let found = Address::new(bytes).ip();
    let read = |text: String| Address::new(text.as_bytes()).ip();
    if let Some(ip) = found {
        assert_eq!(ip, ip.to_canonical());
        assert_eq!(read(ip.to_string()), found);
        assert_eq!(read(SocketAddr::new(ip, 5222).to_string()), found);
        assert_eq!(read(format!(" \"[{ip}]:5222\" ")), found);
        if ip.is_ipv6() {
            assert_eq!(read(format!("{ip}%eth0")), found);
        }
    }
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    if let Ok(ip) = text.parse::<IpAddr>() {
        assert_eq!(found, Some(ip.to_canonical()));
    }
    assert_eq!(format!("{:?}", Address::new(bytes)), "Address(..)");
});
