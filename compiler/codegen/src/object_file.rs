//! One relocatable object from three parts: the backend's code (one object or several), the module's data, and the
//! constants.
//!
//! The backend's object is read and written again with the missing symbols defined. The constants are not part of
//! that: their section is written as one that takes no place in the file, then its header is made to point behind the
//! end, and the bytes follow piece by piece. So memory holds the code, never the weights.
//!
//! ELF; WebAssembly objects come whole from the backend. Other formats are refused with a diagnostic.

use crate::constants::{CONSTANT_ALIGN, ConstLayout};
use object::read::elf::{ElfFile32, ElfFile64, FileHeader};
use object::write::{Object, Relocation, SectionId, Symbol, SymbolId, SymbolSection};
use object::{
    Architecture, BinaryFormat, Endianness, Object as _, ObjectSection as _, ObjectSymbol as _, RelocationEncoding,
    RelocationFlags, RelocationKind,
};
use object::{RelocationTarget, SectionFlags, SectionKind, SymbolFlags, SymbolKind, SymbolScope, elf};
use onnxc_base::Diagnostic;
use onnxc_ir::loops::{Linkage, Program};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

/// Read-only data beside the code: tables and the module's self-description.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DataObject {
    /// Its symbol; hidden.
    pub symbol: String,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Alignment of the first one.
    pub align: u64,
    /// Addresses to fill in.
    pub pointers: Vec<Pointer>,
}

/// An address in a [`DataObject`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pointer {
    /// Where in the bytes.
    pub offset: u64,
    /// Of what: a function or a data object, this one included.
    pub symbol: String,
    /// Bytes from there.
    pub addend: i64,
}

/// The parts of an object file.
#[derive(Clone, Copy)]
pub struct Parts<'a> {
    /// What the backend made: objects that may refer to each other.
    pub code: &'a [Vec<u8>],
    /// The module's data.
    pub data: &'a [DataObject],
    /// Owner of the constants.
    pub program: &'a Program,
    /// Where each constant goes.
    pub constants: &'a ConstLayout,
    /// Symbols that may be defined in several objects of one program; the first one wins.
    pub weak: &'a [&'a str],
}

/// Everything but the constants' bytes, and how many bytes of padding come between.
pub struct Head {
    bytes: Vec<u8>,
    padding: usize,
    /// The constants are among the bytes.
    complete: bool,
}

/// What has been written so far of the objects being copied.
struct Copy<'a> {
    object: Object<'a>,
    /// For each object, where its sections and symbols are now.
    maps: Vec<Maps>,
    /// What is defined for all objects.
    names: BTreeMap<Vec<u8>, SymbolId>,
    /// Functions that only the objects themselves may see.
    local: BTreeSet<&'a [u8]>,
}

/// Sections and symbols of one object.
#[derive(Default)]
struct Maps {
    sections: BTreeMap<usize, SectionId>,
    symbols: BTreeMap<usize, SymbolId>,
}

/// How a file of WebAssembly begins.
const WASM: &[u8] = b"\0asm";

impl Head {
    /// Merges code and data, and makes room for the constants.
    pub fn new(parts: &Parts<'_>) -> Result<Head, Diagnostic> {
        if let [code] = parts.code
            && code.starts_with(WASM)
        {
            // The backend has put everything into it.
            return Ok(Head { bytes: code.clone(), padding: 0, complete: true });
        }
        let files = parts.code.iter().map(|code| object::File::parse(code.as_slice())).collect::<Result<Vec<_>, _>>();
        let files = files.map_err(|e| broken(format!("the backend's object can't be read: {e}")))?;
        let read = files.first().ok_or_else(|| broken("the backend made no object".into()))?;
        if read.format() != BinaryFormat::Elf {
            return Err(Diagnostic::error(
                "E5201",
                format!("object files of format {:?} are not supported yet", read.format()),
            )
            .expected("a target whose objects are ELF files, such as x86_64-unknown-linux-gnu"));
        }
        let name = constants_section(parts.constants, read.architecture());
        let object = merge(parts, &files, &name)?;
        let mut bytes = object.write().map_err(|e| broken(format!("the object can't be written: {e}")))?;
        let padding = bytes.len().next_multiple_of(CONSTANT_ALIGN as usize) - bytes.len();
        if parts.constants.size() > 0 {
            let end = (bytes.len() + padding) as u64;
            point_section_to(&mut bytes, &name, end)
                .map_err(|e| broken(format!("the object can't be patched: {e}")))?;
        }
        Ok(Head { bytes, padding, complete: false })
    }

    /// Bytes of the whole object.
    pub fn total_size(&self, constants: &ConstLayout) -> u64 {
        let behind = if self.complete { 0 } else { constants.size() };
        (self.bytes.len() + self.padding) as u64 + behind
    }

    /// Writes the object.
    pub fn write(&self, parts: &Parts<'_>, out: &mut dyn Write) -> io::Result<()> {
        out.write_all(&self.bytes)?;
        if self.complete {
            return Ok(());
        }
        out.write_all(&[0; CONSTANT_ALIGN as usize][..self.padding])?;
        parts.constants.write(parts.program, out)
    }
}

fn broken(what: String) -> Diagnostic {
    Diagnostic::error("E5202", what).help("this is a bug of the compiler: please report it")
}

/// x86-64 psABI, "Section Flags": beyond the reach of 32-bit addresses.
const SHF_X86_64_LARGE: u64 = 0x1000_0000;
/// Constants of this many bytes would put code and other data out of each other's reach (2 GiB) between which they lie.
const LARGE: u64 = 1 << 30;

/// Large constants go into the section that linkers put behind everything else (x86-64 psABI, "Large section"); their
/// first byte stays within reach of code.
fn is_large(constants: &ConstLayout, architecture: Architecture) -> bool {
    architecture == Architecture::X86_64 && constants.size() >= LARGE
}

fn constants_section(constants: &ConstLayout, architecture: Architecture) -> Vec<u8> {
    let prefix = if is_large(constants, architecture) { ".lrodata" } else { ".rodata" };
    format!("{prefix}.{}", constants.symbol).into_bytes()
}

fn merge<'a>(parts: &Parts<'a>, files: &[object::File<'a>], constants_name: &[u8]) -> Result<Object<'a>, Diagnostic> {
    let read = &files[0];
    let mut object = Object::new(read.format(), read.architecture(), read.endianness());
    object.flags = read.flags();
    let local = parts.program.funcs.values().filter(|f| f.linkage == Linkage::Local).map(|f| f.name.as_bytes());
    let mut copy = Copy { object, maps: vec![], names: BTreeMap::new(), local: local.collect() };
    for read in files {
        copy_sections(&mut copy, read).map_err(|e| broken(format!("a section can't be read: {e}")))?;
    }
    let mut defined = define_data(&mut copy.object, parts.data);
    defined.insert(
        parts.constants.symbol.as_bytes().to_vec(),
        constants_symbol(&mut copy.object, parts.constants, constants_name),
    );
    // What one object lacks another may have.
    for undefined in [false, true] {
        for (i, read) in files.iter().enumerate() {
            copy_symbols(&mut copy, i, read, parts, &defined, undefined)
                .map_err(|e| broken(format!("a symbol can't be read: {e}")))?;
        }
    }
    for (i, read) in files.iter().enumerate() {
        copy_relocations(&mut copy, i, read)?;
    }
    fill_pointers(&mut copy, parts.data, &defined)?;
    Ok(copy.object)
}

fn copy_sections<'a>(copy: &mut Copy<'a>, read: &object::File<'a>) -> object::Result<()> {
    let mut maps = Maps::default();
    for section in read.sections() {
        // Tables of symbols, names and relocations are made anew.
        if section.kind() == SectionKind::Metadata || section.size() == 0 && section.kind() != SectionKind::Other {
            continue;
        }
        let id = copy.object.add_section(vec![], section.name_bytes()?.to_vec(), section.kind());
        let new = copy.object.section_mut(id);
        if new.is_bss() {
            new.append_bss(section.size(), section.align());
        } else {
            new.set_data(section.data()?, section.align());
        }
        new.flags = section.flags();
        maps.sections.insert(section.index().0, id);
    }
    copy.maps.push(maps);
    Ok(())
}

/// Adds a section per data object; its symbol is defined there.
fn define_data<'a>(object: &mut Object<'a>, data: &'a [DataObject]) -> BTreeMap<Vec<u8>, SymbolId> {
    let mut out = BTreeMap::new();
    for d in data {
        let (prefix, kind) = match d.pointers.is_empty() {
            true => (".rodata", SectionKind::ReadOnlyData),
            false => (".data.rel.ro", SectionKind::ReadOnlyDataWithRel),
        };
        let section = object.add_section(vec![], format!("{prefix}.{}", d.symbol).into_bytes(), kind);
        object.section_mut(section).set_data(d.bytes.as_slice(), d.align);
        out.insert(d.symbol.as_bytes().to_vec(), hidden(object, &d.symbol, section, d.bytes.len() as u64));
    }
    out
}

fn hidden(object: &mut Object<'_>, name: &str, section: SectionId, size: u64) -> SymbolId {
    object.add_symbol(Symbol {
        name: name.as_bytes().to_vec(),
        value: 0,
        size,
        kind: SymbolKind::Data,
        scope: SymbolScope::Linkage,
        weak: false,
        section: SymbolSection::Section(section),
        flags: SymbolFlags::None,
    })
}

fn constants_symbol(object: &mut Object<'_>, constants: &ConstLayout, name: &[u8]) -> SymbolId {
    // Without bytes for now: `point_section_to` makes it one of data.
    let section = object.add_section(vec![], name.to_vec(), SectionKind::UninitializedData);
    object.section_mut(section).append_bss(constants.size(), CONSTANT_ALIGN);
    let mut sh_flags = elf::SHF_ALLOC;
    if is_large(constants, object.architecture()) {
        sh_flags |= elf::SectionFlags(SHF_X86_64_LARGE);
    }
    object.section_mut(section).flags = SectionFlags::Elf { sh_type: elf::SHT_NOBITS, sh_flags };
    hidden(object, &constants.symbol, section, constants.size())
}

/// Copies the symbols of object `i`: those that are defined there, or those that aren't.
fn copy_symbols(
    copy: &mut Copy<'_>,
    i: usize,
    read: &object::File<'_>,
    parts: &Parts<'_>,
    defined: &BTreeMap<Vec<u8>, SymbolId>,
    undefined: bool,
) -> object::Result<()> {
    for symbol in read.symbols().filter(|s| s.is_undefined() == undefined) {
        let name = symbol.name_bytes()?;
        let elsewhere = defined.get(name).or_else(|| copy.names.get(name).filter(|_| undefined));
        if let Some(&id) = elsewhere {
            copy.maps[i].symbols.insert(symbol.index().0, id);
            continue;
        }
        let id = match symbol.kind() {
            SymbolKind::File => copy.object.add_file_symbol(name.to_vec()),
            SymbolKind::Section => match symbol.section_index().and_then(|s| copy.maps[i].sections.get(&s.0)) {
                Some(&section) => copy.object.section_symbol(section),
                None => continue,
            },
            _ => match copy_symbol(copy, i, &symbol, name, parts) {
                Some(s) => copy.object.add_symbol(s),
                None => continue,
            },
        };
        if symbol.is_global() {
            copy.names.insert(name.to_vec(), id);
        }
        copy.maps[i].symbols.insert(symbol.index().0, id);
    }
    Ok(())
}

fn copy_symbol(
    copy: &Copy<'_>,
    i: usize,
    symbol: &object::Symbol<'_, '_>,
    name: &[u8],
    parts: &Parts<'_>,
) -> Option<Symbol> {
    let section = match symbol.section() {
        object::SymbolSection::Undefined => SymbolSection::Undefined,
        object::SymbolSection::Absolute => SymbolSection::Absolute,
        object::SymbolSection::Section(s) => SymbolSection::Section(*copy.maps[i].sections.get(&s.0)?),
        _ => return None,
    };
    let weak = parts.weak.iter().any(|w| w.as_bytes() == name);
    let local = copy.local.contains(name) && section != SymbolSection::Undefined;
    let flags = match symbol.flags() {
        object::SymbolFlags::Elf { st_info, st_other } if !weak && !local => SymbolFlags::Elf { st_info, st_other },
        _ => SymbolFlags::None,
    };
    let (value, size, kind) = (symbol.address(), symbol.size(), symbol.kind());
    let scope = match (weak, local) {
        (true, _) => SymbolScope::Dynamic,
        (false, true) => SymbolScope::Compilation,
        (false, false) => symbol.scope(),
    };
    Some(Symbol { name: name.to_vec(), value, size, kind, scope, weak: weak || symbol.is_weak(), section, flags })
}

fn copy_relocations(copy: &mut Copy<'_>, i: usize, read: &object::File<'_>) -> Result<(), Diagnostic> {
    for section in read.sections() {
        let Some(&id) = copy.maps[i].sections.get(&section.index().0) else { continue };
        for (offset, r) in section.relocations() {
            let symbol = match r.target() {
                RelocationTarget::Symbol(s) => copy.maps[i].symbols.get(&s.0).copied(),
                _ => None,
            };
            let symbol = symbol.ok_or_else(|| broken(format!("a relocation at {offset:#x} has no symbol")))?;
            let relocation = Relocation { offset, symbol, addend: r.addend(), flags: r.flags() };
            copy.object
                .add_relocation(id, relocation)
                .map_err(|e| broken(format!("a relocation can't be written: {e}")))?;
        }
    }
    Ok(())
}

fn fill_pointers(
    copy: &mut Copy<'_>,
    data: &[DataObject],
    defined: &BTreeMap<Vec<u8>, SymbolId>,
) -> Result<(), Diagnostic> {
    let size = copy.object.architecture().address_size().map_or(64, |s| s.bytes() * 8);
    for d in data {
        let (Some(section), _) =
            (defined.get(d.symbol.as_bytes()).and_then(|&s| copy.object.symbol(s).section.id()), ())
        else {
            continue;
        };
        for p in &d.pointers {
            let key = p.symbol.as_bytes();
            let symbol = defined.get(key).or_else(|| copy.names.get(key)).copied();
            let symbol = symbol
                .ok_or_else(|| broken(format!("'{}' refers to '{}', which isn't defined", d.symbol, p.symbol)))?;
            let flags = RelocationFlags::Generic {
                kind: RelocationKind::Absolute,
                encoding: RelocationEncoding::Generic,
                size,
            };
            let r = Relocation { offset: p.offset, symbol, addend: p.addend, flags };
            copy.object.add_relocation(section, r).map_err(|e| broken(format!("a pointer can't be written: {e}")))?;
        }
    }
    Ok(())
}

/// Makes the header of a section that has no bytes say that they begin at `offset` of the file.
fn point_section_to(file: &mut [u8], name: &[u8], offset: u64) -> object::Result<()> {
    // Elf64_Shdr / Elf32_Shdr: sh_type at 4, sh_offset at 24 / 16 (System V ABI, "Sections").
    let (at, wide, endian) = match object::FileKind::parse(&*file)? {
        object::FileKind::Elf32 => {
            let f = ElfFile32::<Endianness>::parse(&*file)?;
            (header_at(&f, name), false, f.endian())
        }
        _ => {
            let f = ElfFile64::<Endianness>::parse(&*file)?;
            (header_at(&f, name), true, f.endian())
        }
    };
    let Some(at) = at else { return Ok(()) };
    let mut put = |at: usize, value: u64, bytes: usize| {
        let all = if endian == Endianness::Big { value.to_be_bytes() } else { value.to_le_bytes() };
        let part = if endian == Endianness::Big { &all[8 - bytes..] } else { &all[..bytes] };
        file[at..at + bytes].copy_from_slice(part);
    };
    put(at + 4, elf::SHT_PROGBITS.0.into(), 4);
    if wide {
        put(at + 24, offset, 8)
    } else {
        put(at + 16, offset, 4)
    }
    Ok(())
}

fn header_at<E: FileHeader<Endian = Endianness>>(
    file: &object::read::elf::ElfFile<'_, E>,
    name: &[u8],
) -> Option<usize> {
    let endian = file.endian();
    let index = file.section_by_name_bytes(name)?.index().0;
    let table: u64 = file.elf_header().e_shoff(endian).into();
    Some(table as usize + index * usize::from(file.elf_header().e_shentsize(endian)))
}
