//! Constants: one blob, every constant at a multiple of 64 bytes, in the order of `Program::consts` (order of use).
//!
//! A backend sees the symbol and the offsets only. The bytes go from where they are (often the mapped model file)
//! straight to the output, piece by piece: nothing here ever holds a second copy.

use onnxc_base::PrimaryMap;
use onnxc_ir::loops::{ConstId, Program};
use std::io::{self, Write};

/// Alignment of the blob and of each constant in it: a cache line, and the widest vector.
pub const CONSTANT_ALIGN: u64 = 64;

/// Where each constant of a program lies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConstLayout {
    /// The blob's symbol, `NAME_constants`.
    pub symbol: String,
    offsets: PrimaryMap<ConstId, u64>,
    size: u64,
}

impl ConstLayout {
    /// Lays out the constants of a program.
    pub fn new(program: &Program) -> Self {
        let mut size = 0u64;
        let mut offsets = PrimaryMap::with_capacity(program.consts.len());
        for c in program.consts.values() {
            offsets.push(size);
            size += (c.data.len() as u64).next_multiple_of(CONSTANT_ALIGN);
        }
        Self { symbol: format!("{}_constants", program.name), offsets, size }
    }

    /// The byte offset of a constant in the blob.
    pub fn offset(&self, id: ConstId) -> u64 {
        self.offsets[id]
    }

    /// Bytes of the blob, a multiple of 64.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Writes the blob. `program` is the one that was laid out.
    pub fn write(&self, program: &Program, out: &mut dyn Write) -> io::Result<()> {
        const ZEROS: [u8; CONSTANT_ALIGN as usize] = [0; CONSTANT_ALIGN as usize];
        debug_assert_eq!(program.consts.len(), self.offsets.len(), "another program");
        for c in program.consts.values() {
            out.write_all(&c.data)?;
            let end = c.data.len() as u64;
            out.write_all(&ZEROS[..(end.next_multiple_of(CONSTANT_ALIGN) - end) as usize])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onnxc_base::DType;
    use onnxc_ir::loops::ConstData;

    #[test]
    fn each_constant_starts_a_line() {
        let mut p = Program { name: "m".into(), ..Program::default() };
        let ids: Vec<ConstId> = [1usize, 64, 0, 65]
            .iter()
            .map(|&n| p.consts.push(ConstData { name: String::new(), dtype: DType::U8, data: vec![n as u8; n].into() }))
            .collect();
        let layout = ConstLayout::new(&p);
        assert_eq!(ids.iter().map(|&i| layout.offset(i)).collect::<Vec<_>>(), [0, 64, 128, 128]);
        let mut blob = vec![];
        layout.write(&p, &mut blob).expect("memory takes it");
        assert_eq!((blob.len() as u64, layout.size()), (256, 256));
        assert_eq!((blob[0], blob[1], blob[64], blob[192], blob[193]), (1, 0, 64, 65, 0));
    }
}
