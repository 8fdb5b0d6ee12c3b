//! Descriptors as text: the security descriptor definition language.
//!
//! `O:` owner, `G:` group, `D:` access list, `S:` system's list, each once, in any order. A list is its flags and its entries,
//! `(kind;flags;rights;;;sid)`. Rights and SIDs are two-letter words, or a number and `S-1-…`.

use std::fmt;
use std::str::FromStr;

use super::SecurityError;
use super::acl::{Ace, AceKind, Acl};
use super::descriptor::{AccessList, DACL_AUTO_INHERIT_REQ, DACL_AUTO_INHERITED, DACL_PROTECTED, SecurityDescriptor};
use super::rights::{
    FILE_ALL_ACCESS, FILE_GENERIC_EXECUTE, FILE_GENERIC_READ, FILE_GENERIC_WRITE, GENERIC_ALL, GENERIC_EXECUTE,
    GENERIC_READ, GENERIC_WRITE, READ_CONTROL, WRITE_DAC, WRITE_OWNER,
};
use super::sid::Sid;
use crate::status::Status;

/// Rights of several bits; a mask that is exactly one of these is written so.
const COMPOSITE_RIGHTS: [(&str, u32); 8] = [
    ("FA", FILE_ALL_ACCESS),
    ("FR", FILE_GENERIC_READ),
    ("FW", FILE_GENERIC_WRITE),
    ("FX", FILE_GENERIC_EXECUTE),
    ("KA", 0x000f_003f),
    ("KR", 0x0002_0019),
    ("KW", 0x0002_0006),
    // The same rights as reading; it is written as KR.
    ("KX", 0x0002_0019),
];

/// Rights of one bit, in the order in which they are written.
const SINGLE_RIGHTS: [(&str, u32); 17] = [
    ("CC", 0x0001),
    ("DC", 0x0002),
    ("LC", 0x0004),
    ("SW", 0x0008),
    ("RP", 0x0010),
    ("WP", 0x0020),
    ("DT", 0x0040),
    ("LO", 0x0080),
    ("CR", 0x0100),
    ("SD", 0x0001_0000),
    ("RC", READ_CONTROL),
    ("WD", WRITE_DAC),
    ("WO", WRITE_OWNER),
    ("GA", GENERIC_ALL),
    ("GX", GENERIC_EXECUTE),
    ("GW", GENERIC_WRITE),
    ("GR", GENERIC_READ),
];

/// What an integrity label keeps from those below.
const LABEL_RIGHTS: [(&str, u32); 3] = [("NW", 1), ("NR", 2), ("NX", 4)];

const ACE_FLAGS: [(&str, u8); 7] = [
    ("OI", 0x01),
    ("CI", 0x02),
    ("NP", 0x04),
    ("IO", 0x08),
    ("ID", 0x10),
    ("SA", 0x40),
    ("FA", 0x80),
];

const KINDS: [(&str, AceKind); 4] = [
    ("A", AceKind::Allowed),
    ("D", AceKind::Denied),
    ("AU", AceKind::Audit),
    ("ML", AceKind::MandatoryLabel),
];

/// Known, and not supported.
const OTHER_KINDS: [&str; 11] = ["OA", "OD", "OU", "AL", "OL", "XA", "XD", "XU", "ZA", "RA", "SP"];

/// Words for SIDs: the authority and the numbers after it.
const SIDS: [(&str, u64, &[u32]); 45] = [
    ("AA", 5, &[32, 579]),
    ("AC", 15, &[2, 1]),
    ("AN", 5, &[7]),
    ("AO", 5, &[32, 548]),
    ("AS", 18, &[1]),
    ("AU", 5, &[11]),
    ("BA", 5, &[32, 544]),
    ("BG", 5, &[32, 546]),
    ("BO", 5, &[32, 551]),
    ("BU", 5, &[32, 545]),
    ("CD", 5, &[32, 574]),
    ("CG", 3, &[1]),
    ("CO", 3, &[0]),
    ("CY", 5, &[32, 569]),
    ("ED", 5, &[9]),
    ("ER", 5, &[32, 573]),
    ("HA", 5, &[32, 578]),
    ("HI", 16, &[12288]),
    ("IS", 5, &[32, 568]),
    ("IU", 5, &[4]),
    ("LS", 5, &[19]),
    ("LU", 5, &[32, 559]),
    ("LW", 16, &[4096]),
    ("ME", 16, &[8192]),
    ("MP", 16, &[8448]),
    ("MU", 5, &[32, 558]),
    ("NO", 5, &[32, 556]),
    ("NS", 5, &[20]),
    ("NU", 5, &[2]),
    ("OW", 3, &[4]),
    ("PO", 5, &[32, 550]),
    ("PS", 5, &[10]),
    ("PU", 5, &[32, 547]),
    ("RC", 5, &[12]),
    ("RD", 5, &[32, 555]),
    ("RE", 5, &[32, 552]),
    ("RM", 5, &[32, 580]),
    ("RU", 5, &[32, 554]),
    ("SI", 16, &[16384]),
    ("SO", 5, &[32, 549]),
    ("SS", 18, &[2]),
    ("SU", 5, &[6]),
    ("SY", 5, &[18]),
    ("WD", 1, &[0]),
    ("WR", 5, &[33]),
];

/// Words for SIDs of a domain, which no Unix system is in.
const DOMAIN_SIDS: [&str; 14] = [
    "CA", "CN", "DA", "DC", "DD", "DG", "DU", "EA", "KA", "EK", "LA", "LG", "PA", "RS",
];

fn wrong(detail: impl Into<String>) -> SecurityError {
    SecurityError::new(Status::InvalidParameter, detail)
}

fn wrong_list(detail: impl Into<String>) -> SecurityError {
    SecurityError::new(Status::InvalidAcl, detail)
}

/// As much of a text as is worth showing.
fn excerpt(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_debug).collect()
}

impl Sid {
    /// The SID that SDDL writes so: a word of two letters, or `S-1-…`.
    ///
    /// # Errors
    /// [`Status::InvalidSid`], with what is wrong.
    #[doc(alias = "ConvertStringSidToSid")]
    pub fn from_sddl(text: &str) -> Result<Sid, SecurityError> {
        let row = SIDS.iter().find(|(word, ..)| word.eq_ignore_ascii_case(text));
        if let Some((_, authority, subs)) = row {
            return Ok(Sid::new(*authority, subs)?);
        }
        text.parse().map_err(|_| {
            let why = match DOMAIN_SIDS.iter().any(|word| word.eq_ignore_ascii_case(text)) {
                true => "is a SID of a Windows domain, and this system is in none",
                false => "is not a SID; one is a word such as BA or looks like S-1-5-32-544",
            };
            SecurityError::new(Status::InvalidSid, format!("\"{}\" {why}", excerpt(text)))
        })
    }

    fn word(&self) -> Option<&'static str> {
        let is_this = |authority: u64, subs: &[u32]| (authority, subs) == (self.authority(), self.sub_authorities());
        let row = SIDS.iter().find(|(_, authority, subs)| is_this(*authority, subs));
        row.map(|(word, ..)| *word)
    }
}

/// A SID as SDDL writes it.
struct Written(Sid);

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.word() {
            Some(word) => f.write_str(word),
            None => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Display for Ace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = KINDS.iter().find(|(_, kind)| *kind == self.kind);
        write!(f, "({};", kind.map_or("", |(word, _)| word))?;
        let flags = ACE_FLAGS.iter().filter(|(_, bit)| self.flags & bit != 0);
        flags.map(|(word, _)| word).try_for_each(|word| f.write_str(word))?;
        f.write_str(";")?;
        write_rights(f, self)?;
        write!(f, ";;;{})", Written(self.sid))
    }
}

fn write_rights(f: &mut fmt::Formatter<'_>, ace: &Ace) -> fmt::Result {
    let (composite, single): (&[_], &[_]) = match ace.kind {
        AceKind::MandatoryLabel => (&[], &LABEL_RIGHTS),
        _ => (&COMPOSITE_RIGHTS, &SINGLE_RIGHTS),
    };
    if let Some((word, _)) = composite.iter().find(|(_, bits)| *bits == ace.mask) {
        return f.write_str(word);
    }
    let known = single.iter().fold(0, |bits, (_, bit)| bits | bit);
    if ace.mask & !known != 0 || ace.mask == 0 {
        return write!(f, "0x{:x}", ace.mask);
    }
    let mut held = single.iter().filter(|(_, bit)| ace.mask & bit != 0);
    held.try_for_each(|(word, _)| f.write_str(word))
}

impl fmt::Display for SecurityDescriptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (letter, sid) in [("O", self.owner), ("G", self.group)] {
            if let Some(sid) = sid {
                write!(f, "{letter}:{}", Written(sid))?;
            }
        }
        // The bits of the system's list are those of the access list, one further to the left.
        for (letter, list, shift) in [("D", &self.dacl, 0), ("S", &self.sacl, 1)] {
            if *list == AccessList::Absent {
                continue;
            }
            write!(f, "{letter}:")?;
            for (word, bit) in LIST_FLAGS {
                if self.control() & bit << shift != 0 {
                    f.write_str(word)?;
                }
            }
            match list {
                AccessList::List(acl) => acl.aces().iter().try_for_each(|ace| write!(f, "{ace}"))?,
                AccessList::Null | AccessList::Absent => f.write_str(NO_LIST)?,
            }
        }
        Ok(())
    }
}

const LIST_FLAGS: [(&str, u16); 3] = [
    ("P", DACL_PROTECTED),
    ("AR", DACL_AUTO_INHERIT_REQ),
    ("AI", DACL_AUTO_INHERITED),
];
const NO_LIST: &str = "NO_ACCESS_CONTROL";

impl FromStr for SecurityDescriptor {
    type Err = SecurityError;

    /// # Errors
    /// [`Status::InvalidParameter`], of a list [`Status::InvalidAcl`], of a SID [`Status::InvalidSid`], with what is wrong.
    fn from_str(text: &str) -> Result<SecurityDescriptor, SecurityError> {
        let mut descriptor = SecurityDescriptor::default();
        let mut control = 0;
        let mut seen = String::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let (letter, value, after) = component(rest)?;
            rest = after;
            if seen.contains(letter) {
                return Err(wrong(format!("{letter}: stands in the descriptor twice")));
            }
            seen.push(letter);
            match letter {
                'O' => descriptor.owner = Some(Sid::from_sddl(value)?),
                'G' => descriptor.group = Some(Sid::from_sddl(value)?),
                'D' => {
                    let (list, bits) = read_list(value, true)?;
                    descriptor.dacl = list;
                    control |= bits;
                }
                _ => {
                    let (list, bits) = read_list(value, false)?;
                    descriptor.sacl = list;
                    control |= bits << 1;
                }
            }
        }
        descriptor.set_control(control);
        Ok(descriptor)
    }
}

/// The first component: its letter, its value, and what follows it.
fn component(text: &str) -> Result<(char, &str, &str), SecurityError> {
    let starts = |text: &str| {
        let mut chars = text.chars();
        let letter = chars.next().map(|letter| letter.to_ascii_uppercase());
        letter.filter(|letter| "OGDS".contains(*letter) && chars.next() == Some(':'))
    };
    let letter = starts(text).ok_or_else(|| {
        wrong(format!(
            "a descriptor consists of O:, G:, D: and S:, and here is \"{}\"",
            excerpt(text)
        ))
    })?;
    let value = &text[2..];
    let mut depth = 0_usize;
    let end = value.char_indices().find(|(at, char)| {
        match char {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && starts(&value[*at..]).is_some()
    });
    let (value, after) = value.split_at(end.map_or(value.len(), |(at, _)| at));
    Ok((letter, value.trim(), after))
}

/// A list, and its control bits in the place of the access list's.
fn read_list(text: &str, is_dacl: bool) -> Result<(AccessList, u16), SecurityError> {
    let (mut flags, mut rest) = text.split_at(text.find('(').unwrap_or(text.len()));
    let mut control = 0;
    let mut is_null = false;
    flags = flags.trim();
    while !flags.is_empty() {
        let words = LIST_FLAGS.iter().map(|(word, bit)| (*word, Some(*bit)));
        let mut words = words.chain([(NO_LIST, None)]);
        let (after, bit) = words
            .find_map(|(word, bit)| Some((strip_word(flags, word)?, bit)))
            .ok_or_else(|| {
                wrong_list(format!(
                    "\"{}\" is not a flag of a list; there are P, AR, AI and NO_ACCESS_CONTROL",
                    excerpt(flags)
                ))
            })?;
        control |= bit.unwrap_or(0);
        is_null |= bit.is_none();
        flags = after;
    }
    let mut aces = Vec::new();
    while let Some(inner) = rest.strip_prefix('(') {
        let (ace, after) = inner
            .split_once(')')
            .ok_or_else(|| wrong_list(format!("\"({}\" has no closing parenthesis", excerpt(inner))))?;
        aces.push(read_ace(ace, is_dacl)?);
        rest = after.trim_start();
    }
    match (rest.is_empty(), is_null, aces.is_empty()) {
        (false, ..) => Err(wrong_list(format!(
            "an entry of a list stands in parentheses, and here is \"{}\"",
            excerpt(rest)
        ))),
        (_, true, false) => Err(wrong_list(
            "NO_ACCESS_CONTROL means that there is no list, but there are entries",
        )),
        (_, true, true) => Ok((AccessList::Null, control)),
        (_, false, _) => Ok((AccessList::List(Acl::new(aces)?), control)),
    }
}

fn strip_word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(word.len())?;
    start.eq_ignore_ascii_case(word).then_some(rest)
}

/// `kind;flags;rights;object;inherited object;sid`
fn read_ace(text: &str, is_dacl: bool) -> Result<Ace, SecurityError> {
    let fields: Vec<&str> = text.split(';').map(str::trim).collect();
    let kind_word = fields.first().copied().unwrap_or_default();
    if OTHER_KINDS.iter().any(|other| other.eq_ignore_ascii_case(kind_word)) {
        let detail = format!(
            "({}) is an entry for objects, with a condition, or of a resource, which are not supported; use A and D",
            excerpt(text)
        );
        return Err(wrong_list(detail));
    }
    let &[_, flags, rights, object, inherited, sid] = fields.as_slice() else {
        let detail = format!("({}) is not an entry; one looks like (A;;GRGW;;;BA)", excerpt(text));
        return Err(wrong_list(detail));
    };
    let kind = KINDS
        .iter()
        .find(|(word, kind)| word.eq_ignore_ascii_case(kind_word) && kind.decides() == is_dacl)
        .map(|(_, kind)| *kind)
        .ok_or_else(|| {
            let kinds = if is_dacl { "A or D" } else { "AU or ML" };
            wrong_list(format!("({}) is of no kind for this list: {kinds}", excerpt(text)))
        })?;
    if !object.is_empty() || !inherited.is_empty() {
        let detail = format!("({}) names an object, which a pipe has none of", excerpt(text));
        return Err(wrong_list(detail));
    }
    let flag_words = ACE_FLAGS.map(|(word, bit)| (word, u32::from(bit)));
    Ok(Ace {
        kind,
        flags: read_words(flags, &[&flag_words])? as u8,
        mask: read_rights(rights, kind)?,
        sid: Sid::from_sddl(sid)?,
    })
}

fn read_rights(text: &str, kind: AceKind) -> Result<u32, SecurityError> {
    let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => Some((digits, 16)),
        None if text.starts_with(|first: char| first.is_ascii_digit()) => Some((text, 10)),
        None => None,
    };
    match (number, kind) {
        (Some((digits, radix)), _) if !digits.starts_with('+') => u32::from_str_radix(digits, radix)
            .map_err(|_| wrong_list(format!("\"{}\" is not an access mask of 32 bits", excerpt(text)))),
        (_, AceKind::MandatoryLabel) => read_words(text, &[&LABEL_RIGHTS]),
        _ => read_words(text, &[&COMPOSITE_RIGHTS, &SINGLE_RIGHTS]),
    }
}

/// Words of two letters without anything between, as the bits that they stand for.
fn read_words(text: &str, tables: &[&[(&str, u32)]]) -> Result<u32, SecurityError> {
    let mut bits = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let mut rows = tables.iter().copied().flatten();
        let (after, bit) = rows
            .find_map(|(word, bit)| Some((strip_word(rest, word)?, bit)))
            .ok_or_else(|| {
                wrong_list(format!(
                    "\"{}\" is not known in an entry of a descriptor",
                    excerpt(rest)
                ))
            })?;
        bits |= bit;
        rest = after;
    }
    Ok(bits)
}
