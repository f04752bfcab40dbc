//! Static libraries: the `ar` format of System V and GNU, one member, with a symbol table.
//!
//! Format: "!<arch>\n"; members with a 60-byte text header, even sizes; the symbol table is a member named `/` of a
//! big-endian count, offsets and zero-ended names; names beyond 15 characters stand in a member named `//` (ar(5)).

use std::io::{self, Write};

/// Writes all that comes before the bytes of the only member.
pub fn write_header(out: &mut dyn Write, name: &str, size: u64, symbols: &[String]) -> io::Result<()> {
    let long = name.len() > 15;
    let names: Vec<u8> = if long { format!("{name}/\n").into_bytes() } else { vec![] };
    let texts: usize = symbols.iter().map(|s| s.len() + 1).sum();
    let table = 4 + 4 * symbols.len() + texts;
    let even = |n: usize| n.next_multiple_of(2);
    let member = 8 + 60 + even(table) + if long { 60 + even(names.len()) } else { 0 };
    out.write_all(b"!<arch>\n")?;
    header(out, "/", table as u64)?;
    out.write_all(&(symbols.len() as u32).to_be_bytes())?;
    for _ in symbols {
        out.write_all(&(member as u32).to_be_bytes())?;
    }
    for s in symbols {
        out.write_all(s.as_bytes())?;
        out.write_all(&[0])?;
    }
    write_padding(out, table as u64)?;
    if long {
        header(out, "//", names.len() as u64)?;
        out.write_all(&names)?;
        write_padding(out, names.len() as u64)?;
    }
    header(out, &if long { "/0".to_string() } else { format!("{name}/") }, size)
}

/// Members begin at even offsets.
pub fn write_padding(out: &mut dyn Write, size: u64) -> io::Result<()> {
    if size % 2 == 1 { out.write_all(b"\n") } else { Ok(()) }
}

/// Times, owners and modes are fixed: the same model gives the same bytes.
fn header(out: &mut dyn Write, name: &str, size: u64) -> io::Result<()> {
    writeln!(out, "{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`", 0, 0, 0, 644)
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::read::archive::ArchiveFile;

    #[test]
    fn readers_find_the_member_by_its_symbols() {
        for name in ["m.o", "a_name_beyond_fifteen_characters.o"] {
            let mut bytes = vec![];
            write_header(&mut bytes, name, 3, &["a_run".to_string(), "b".to_string()]).expect("memory takes it");
            bytes.extend(b"xyz");
            write_padding(&mut bytes, 3).expect("memory takes it");
            let archive = ArchiveFile::parse(bytes.as_slice()).expect("it is an archive");
            let symbols = archive.symbols().expect("the table reads").expect("there is one");
            for s in symbols {
                let s = s.expect("the table reads");
                let member = archive.member(s.offset()).expect("the offset is a member's");
                assert_eq!(
                    (member.name(), member.data(bytes.as_slice()).expect("it is there")),
                    (name.as_bytes(), &b"xyz"[..])
                );
            }
        }
    }
}
