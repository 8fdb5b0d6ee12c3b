//! The upper-casing by which names are compared, as pinned data.
//!
//! NT folds a name one UTF-16 unit at a time: one unit becomes one unit, whatever
//! stands beside it. So ß and SS stay different, and nothing outside the Basic
//! Multilingual Plane has case.
//!
//! The table holds Unicode 14.0's simple upper-case mappings inside that plane,
//! without those that do not map back: ς, ı, ſ, µ and the title-case ǅ stay as they
//! are, as they do on Windows 7 and later. It decides what a name is called in the
//! namespace, so it belongs to the layout: it never follows a newer Unicode, and a
//! test pins its hash.
//!
//! Differs from Windows: cased letters that Unicode gained after Windows fixed its
//! own table are folded here.

/// Units `.0` to `.1` in steps of `.2` become upper-case by adding `.3`.
struct Run(u16, u16, u16, i32);

/// `unit` in upper case; most units stay as they are.
pub(super) fn upcase(unit: u16) -> u16 {
    let at = RUNS.partition_point(|run| run.1 < unit);
    match RUNS.get(at) {
        Some(&Run(first, _, step, delta)) if unit >= first && (unit - first).is_multiple_of(step) => {
            // The sum stays in range: the table's hash is pinned, and covers every unit.
            (i32::from(unit) + delta) as u16
        }
        _ => unit,
    }
}

/// In ascending order, without overlap.
const RUNS: &[Run] = &[
    Run(0x0061, 0x007A, 1, -32),
    Run(0x00E0, 0x00F6, 1, -32),
    Run(0x00F8, 0x00FE, 1, -32),
    Run(0x00FF, 0x00FF, 1, 121),
    Run(0x0101, 0x012F, 2, -1),
    Run(0x0133, 0x0137, 2, -1),
    Run(0x013A, 0x0148, 2, -1),
    Run(0x014B, 0x0177, 2, -1),
    Run(0x017A, 0x017E, 2, -1),
    Run(0x0180, 0x0180, 1, 195),
    Run(0x0183, 0x0185, 2, -1),
    Run(0x0188, 0x0188, 1, -1),
    Run(0x018C, 0x018C, 1, -1),
    Run(0x0192, 0x0192, 1, -1),
    Run(0x0195, 0x0195, 1, 97),
    Run(0x0199, 0x0199, 1, -1),
    Run(0x019A, 0x019A, 1, 163),
    Run(0x019E, 0x019E, 1, 130),
    Run(0x01A1, 0x01A5, 2, -1),
    Run(0x01A8, 0x01A8, 1, -1),
    Run(0x01AD, 0x01AD, 1, -1),
    Run(0x01B0, 0x01B0, 1, -1),
    Run(0x01B4, 0x01B6, 2, -1),
    Run(0x01B9, 0x01B9, 1, -1),
    Run(0x01BD, 0x01BD, 1, -1),
    Run(0x01BF, 0x01BF, 1, 56),
    Run(0x01C6, 0x01C6, 1, -2),
    Run(0x01C9, 0x01C9, 1, -2),
    Run(0x01CC, 0x01CC, 1, -2),
    Run(0x01CE, 0x01DC, 2, -1),
    Run(0x01DD, 0x01DD, 1, -79),
    Run(0x01DF, 0x01EF, 2, -1),
    Run(0x01F3, 0x01F3, 1, -2),
    Run(0x01F5, 0x01F5, 1, -1),
    Run(0x01F9, 0x021F, 2, -1),
    Run(0x0223, 0x0233, 2, -1),
    Run(0x023C, 0x023C, 1, -1),
    Run(0x023F, 0x0240, 1, 10815),
    Run(0x0242, 0x0242, 1, -1),
    Run(0x0247, 0x024F, 2, -1),
    Run(0x0250, 0x0250, 1, 10783),
    Run(0x0251, 0x0251, 1, 10780),
    Run(0x0252, 0x0252, 1, 10782),
    Run(0x0253, 0x0253, 1, -210),
    Run(0x0254, 0x0254, 1, -206),
    Run(0x0256, 0x0257, 1, -205),
    Run(0x0259, 0x0259, 1, -202),
    Run(0x025B, 0x025B, 1, -203),
    Run(0x025C, 0x025C, 1, 42319),
    Run(0x0260, 0x0260, 1, -205),
    Run(0x0261, 0x0261, 1, 42315),
    Run(0x0263, 0x0263, 1, -207),
    Run(0x0265, 0x0265, 1, 42280),
    Run(0x0266, 0x0266, 1, 42308),
    Run(0x0268, 0x0268, 1, -209),
    Run(0x0269, 0x0269, 1, -211),
    Run(0x026A, 0x026A, 1, 42308),
    Run(0x026B, 0x026B, 1, 10743),
    Run(0x026C, 0x026C, 1, 42305),
    Run(0x026F, 0x026F, 1, -211),
    Run(0x0271, 0x0271, 1, 10749),
    Run(0x0272, 0x0272, 1, -213),
    Run(0x0275, 0x0275, 1, -214),
    Run(0x027D, 0x027D, 1, 10727),
    Run(0x0280, 0x0280, 1, -218),
    Run(0x0282, 0x0282, 1, 42307),
    Run(0x0283, 0x0283, 1, -218),
    Run(0x0287, 0x0287, 1, 42282),
    Run(0x0288, 0x0288, 1, -218),
    Run(0x0289, 0x0289, 1, -69),
    Run(0x028A, 0x028B, 1, -217),
    Run(0x028C, 0x028C, 1, -71),
    Run(0x0292, 0x0292, 1, -219),
    Run(0x029D, 0x029D, 1, 42261),
    Run(0x029E, 0x029E, 1, 42258),
    Run(0x0371, 0x0373, 2, -1),
    Run(0x0377, 0x0377, 1, -1),
    Run(0x037B, 0x037D, 1, 130),
    Run(0x03AC, 0x03AC, 1, -38),
    Run(0x03AD, 0x03AF, 1, -37),
    Run(0x03B1, 0x03C1, 1, -32),
    Run(0x03C3, 0x03CB, 1, -32),
    Run(0x03CC, 0x03CC, 1, -64),
    Run(0x03CD, 0x03CE, 1, -63),
    Run(0x03D7, 0x03D7, 1, -8),
    Run(0x03D9, 0x03EF, 2, -1),
    Run(0x03F2, 0x03F2, 1, 7),
    Run(0x03F3, 0x03F3, 1, -116),
    Run(0x03F8, 0x03F8, 1, -1),
    Run(0x03FB, 0x03FB, 1, -1),
    Run(0x0430, 0x044F, 1, -32),
    Run(0x0450, 0x045F, 1, -80),
    Run(0x0461, 0x0481, 2, -1),
    Run(0x048B, 0x04BF, 2, -1),
    Run(0x04C2, 0x04CE, 2, -1),
    Run(0x04CF, 0x04CF, 1, -15),
    Run(0x04D1, 0x052F, 2, -1),
    Run(0x0561, 0x0586, 1, -48),
    Run(0x10D0, 0x10FA, 1, 3008),
    Run(0x10FD, 0x10FF, 1, 3008),
    Run(0x13F8, 0x13FD, 1, -8),
    Run(0x1D79, 0x1D79, 1, 35332),
    Run(0x1D7D, 0x1D7D, 1, 3814),
    Run(0x1D8E, 0x1D8E, 1, 35384),
    Run(0x1E01, 0x1E95, 2, -1),
    Run(0x1EA1, 0x1EFF, 2, -1),
    Run(0x1F00, 0x1F07, 1, 8),
    Run(0x1F10, 0x1F15, 1, 8),
    Run(0x1F20, 0x1F27, 1, 8),
    Run(0x1F30, 0x1F37, 1, 8),
    Run(0x1F40, 0x1F45, 1, 8),
    Run(0x1F51, 0x1F57, 2, 8),
    Run(0x1F60, 0x1F67, 1, 8),
    Run(0x1F70, 0x1F71, 1, 74),
    Run(0x1F72, 0x1F75, 1, 86),
    Run(0x1F76, 0x1F77, 1, 100),
    Run(0x1F78, 0x1F79, 1, 128),
    Run(0x1F7A, 0x1F7B, 1, 112),
    Run(0x1F7C, 0x1F7D, 1, 126),
    Run(0x1F80, 0x1F87, 1, 8),
    Run(0x1F90, 0x1F97, 1, 8),
    Run(0x1FA0, 0x1FA7, 1, 8),
    Run(0x1FB0, 0x1FB1, 1, 8),
    Run(0x1FB3, 0x1FB3, 1, 9),
    Run(0x1FC3, 0x1FC3, 1, 9),
    Run(0x1FD0, 0x1FD1, 1, 8),
    Run(0x1FE0, 0x1FE1, 1, 8),
    Run(0x1FE5, 0x1FE5, 1, 7),
    Run(0x1FF3, 0x1FF3, 1, 9),
    Run(0x214E, 0x214E, 1, -28),
    Run(0x2170, 0x217F, 1, -16),
    Run(0x2184, 0x2184, 1, -1),
    Run(0x24D0, 0x24E9, 1, -26),
    Run(0x2C30, 0x2C5F, 1, -48),
    Run(0x2C61, 0x2C61, 1, -1),
    Run(0x2C65, 0x2C65, 1, -10795),
    Run(0x2C66, 0x2C66, 1, -10792),
    Run(0x2C68, 0x2C6C, 2, -1),
    Run(0x2C73, 0x2C73, 1, -1),
    Run(0x2C76, 0x2C76, 1, -1),
    Run(0x2C81, 0x2CE3, 2, -1),
    Run(0x2CEC, 0x2CEE, 2, -1),
    Run(0x2CF3, 0x2CF3, 1, -1),
    Run(0x2D00, 0x2D25, 1, -7264),
    Run(0x2D27, 0x2D27, 1, -7264),
    Run(0x2D2D, 0x2D2D, 1, -7264),
    Run(0xA641, 0xA66D, 2, -1),
    Run(0xA681, 0xA69B, 2, -1),
    Run(0xA723, 0xA72F, 2, -1),
    Run(0xA733, 0xA76F, 2, -1),
    Run(0xA77A, 0xA77C, 2, -1),
    Run(0xA77F, 0xA787, 2, -1),
    Run(0xA78C, 0xA78C, 1, -1),
    Run(0xA791, 0xA793, 2, -1),
    Run(0xA794, 0xA794, 1, 48),
    Run(0xA797, 0xA7A9, 2, -1),
    Run(0xA7B5, 0xA7C3, 2, -1),
    Run(0xA7C8, 0xA7CA, 2, -1),
    Run(0xA7D1, 0xA7D1, 1, -1),
    Run(0xA7D7, 0xA7D9, 2, -1),
    Run(0xA7F6, 0xA7F6, 1, -1),
    Run(0xAB53, 0xAB53, 1, -928),
    Run(0xAB70, 0xABBF, 1, -38864),
    Run(0xFF41, 0xFF5A, 1, -32),
];

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    /// semantics 2
    #[test]
    fn the_table_never_changes() {
        let mut hash = Sha256::new();
        for unit in 0..=u16::MAX {
            hash.update(upcase(unit).to_le_bytes());
        }
        let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "1de7ad3f18b843489709032bf23f9d25e74dfb0bced9c0fa258392f54b09061f");
    }

    /// semantics 2
    #[test]
    fn runs_ascend_and_folding_twice_changes_nothing() {
        for pair in RUNS.windows(2) {
            assert!(pair[0].1 < pair[1].0);
        }
        for unit in 0..=u16::MAX {
            assert_eq!(upcase(upcase(unit)), upcase(unit), "{unit:#06x}");
        }
    }

    /// semantics 2
    #[test]
    fn every_pair_maps_back_by_the_standard_library() {
        for unit in 0..=u16::MAX {
            let upper = upcase(unit);
            if upper != unit {
                let upper = char::from_u32(upper.into()).unwrap();
                let lower: Vec<char> = upper.to_lowercase().collect();
                assert_eq!(lower, [char::from_u32(unit.into()).unwrap()]);
            }
        }
    }

    /// semantics 2
    #[test]
    fn letters_with_surprises() {
        let same = |lower: char, upper: char| upcase(lower as u16) == upper as u16;
        assert!(same('a', 'A') && same('z', 'Z') && same('é', 'É') && same('ÿ', 'Ÿ'));
        assert!(same('я', 'Я') && same('σ', 'Σ') && same('ǆ', 'Ǆ') && same('ᾀ', 'ᾈ'));
        for alone in ['ß', 'ς', 'ı', 'ſ', 'µ', 'ǅ', 'İ', '中', '[', '`', '{'] {
            assert!(same(alone, alone), "{alone}");
        }
    }
}
