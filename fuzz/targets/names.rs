//! Names as programs give them and as peers send them: each is refused or within its limits, and is the same name however
//! it is written down.

#![no_main]

use libfuzzer_sys::fuzz_target;
use npipe_core::PipeName;
use npipe_core::name::MAX_NAME_UNITS;

fn check(name: &PipeName) {
    let units = name.units();
    assert!((1..=MAX_NAME_UNITS).contains(&units.len()) && !units.contains(&0));
    let same = [
        PipeName::from_units(units),
        PipeName::from_wtf8(&name.to_wtf8()),
        PipeName::from_path_units(&name.path_units()),
    ];
    for other in same {
        let other = other.expect("a name that was one already");
        assert_eq!((other.units(), &other, other.key()), (units, name, name.key()));
    }
    // What people see is text, whatever the name is.
    let _ = (name.to_string(), name.path());
}

fuzz_target!(|input: &[u8]| {
    let units: Vec<u16> = input
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    let names = [
        PipeName::from_path(input),
        PipeName::from_typed(input),
        PipeName::from_wtf8(input),
        PipeName::from_units(&units),
        PipeName::from_path_units(&units),
    ];
    names.into_iter().flatten().for_each(|name| check(&name));
});
