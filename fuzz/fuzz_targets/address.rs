//! Any text as an address: it is refused, or it comes out as it went in.
#![no_main]

use libfuzzer_sys::fuzz_target;
use twinloop::Address;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        round_trip(text);
    }
    // A name may have bytes that are no text: it is printed all the same.
    if let Ok(name) = Address::abstract_name(bytes) {
        assert_eq!(name.as_unix().and_then(|unix| unix.abstract_name()), Some(bytes));
        assert!(name.to_string().starts_with('@'));
    }
});

fn round_trip(text: &str) {
    match text.parse::<Address>() {
        Err(refused) => assert!(refused.to_string().contains("is not an address")),
        Ok(address) => {
            assert_eq!(address.as_ip().is_some(), address.as_unix().is_none());
            let again = address.to_string().parse();
            assert_eq!(again, Ok(address), "{text:?} became {address}");
        }
    }
}
