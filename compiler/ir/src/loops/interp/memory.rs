//! The memory of a running program: regions that know whether they are alive and writable.

use super::Fault;
use crate::loops::{Buf, FuncId};
use onnxc_base::Bytes;

/// An address: a byte of a region. A region that is gone has another generation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ptr {
    region: u32,
    generation: u32,
    offset: i64,
    /// Bytes of the region that may be reached.
    end: i64,
}

impl Ptr {
    pub const NULL: Ptr = Ptr { region: u32::MAX, generation: 0, offset: 0, end: i64::MAX };

    pub fn is_null(self) -> bool {
        self.region == u32::MAX
    }

    /// The address some bytes further on.
    pub fn at(self, bytes: i64) -> Ptr {
        Ptr { offset: self.offset.saturating_add(bytes), ..self }
    }

    /// Bytes of a region of so many that may be reached.
    fn reached(self, region: usize) -> usize {
        usize::try_from(self.end).map_or(0, |end| region.min(end))
    }

    /// The same address, from which only so many bytes are reached.
    pub fn only(self, bytes: i64) -> Ptr {
        Ptr { end: self.end.min(self.offset.saturating_add(bytes)), ..self }
    }
}

/// Who decides when a region goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The caller: arguments and constants.
    Lasting,
    /// The function that made it: stack and workspace.
    Frame,
    /// `free`. The buffer it was made for, for messages.
    Heap(FuncId, Buf),
}

enum Data {
    Owned(Vec<u8>),
    Shared(Bytes),
}

struct Region {
    data: Data,
    generation: u32,
    alive: bool,
    writable: bool,
    origin: Origin,
}

/// All regions, and tables of addresses.
#[derive(Default)]
pub(super) struct Memory {
    regions: Vec<Region>,
    /// Slots of regions that are gone.
    unused: Vec<u32>,
    tables: Vec<Vec<Ptr>>,
}

impl Memory {
    pub fn add(&mut self, data: Vec<u8>, writable: bool, origin: Origin) -> Ptr {
        self.insert(Data::Owned(data), writable, origin)
    }

    pub fn add_shared(&mut self, data: Bytes) -> Ptr {
        self.insert(Data::Shared(data), false, Origin::Lasting)
    }

    fn insert(&mut self, data: Data, writable: bool, origin: Origin) -> Ptr {
        let mut region = Region { data, generation: 0, alive: true, writable, origin };
        let slot = match self.unused.pop() {
            Some(slot) => {
                region.generation = self.regions[slot as usize].generation + 1;
                self.regions[slot as usize] = region;
                slot
            }
            None => {
                self.regions.push(region);
                self.regions.len() as u32 - 1
            }
        };
        Ptr { region: slot, generation: self.regions[slot as usize].generation, ..Ptr::NULL }
    }

    /// Ends a region; gives its bytes.
    pub fn remove(&mut self, p: Ptr) -> Vec<u8> {
        let Ok(region) = self.region_mut(p) else { return vec![] };
        region.alive = false;
        let data = std::mem::replace(&mut region.data, Data::Owned(vec![]));
        self.unused.push(p.region);
        match data {
            Data::Owned(bytes) => bytes,
            Data::Shared(_) => vec![],
        }
    }

    /// Gives a heap region back.
    pub fn free(&mut self, p: Ptr) -> Result<(), Box<Fault>> {
        if p.is_null() {
            return Ok(());
        }
        match self.region_mut(p)?.origin {
            Origin::Heap(..) => {
                self.remove(p);
                Ok(())
            }
            _ => Err(Fault::UseAfterFree.into()),
        }
    }

    /// Ends what is left of the heap and the tables; gives the names of the buffers that leaked.
    pub fn collect(&mut self, name: &dyn Fn(FuncId, Buf) -> String) -> Vec<String> {
        self.tables.clear();
        let mut leaks = Vec::new();
        for slot in 0..self.regions.len() as u32 {
            let Region { origin, alive, generation, .. } = self.regions[slot as usize];
            if let (Origin::Heap(f, b), true) = (origin, alive) {
                leaks.push(name(f, b));
                self.remove(Ptr { region: slot, generation, ..Ptr::NULL });
            }
        }
        leaks
    }

    pub fn add_table(&mut self, entries: Vec<Ptr>) -> usize {
        self.tables.push(entries);
        self.tables.len() - 1
    }

    pub fn entry(&self, table: usize, index: u32) -> Result<Ptr, Box<Fault>> {
        let entries = &self.tables[table];
        let missing = Fault::OutOfBounds { at: i128::from(index) * 8, len: 8, size: entries.len() * 8 };
        entries.get(index as usize).copied().ok_or(missing.into())
    }

    fn region_mut(&mut self, p: Ptr) -> Result<&mut Region, Box<Fault>> {
        match self.regions.get_mut(p.region as usize) {
            Some(r) if r.generation == p.generation && r.alive => Ok(r),
            Some(_) => Err(Fault::UseAfterFree.into()),
            None => Err(Fault::Null.into()),
        }
    }

    /// All bytes of the region and where in it the address is.
    fn region(&self, p: Ptr) -> Result<&[u8], Box<Fault>> {
        match self.regions.get(p.region as usize) {
            Some(r) if r.generation == p.generation && r.alive => Ok(match &r.data {
                Data::Owned(v) => v,
                Data::Shared(b) => b,
            }),
            Some(_) => Err(Fault::UseAfterFree.into()),
            None => Err(Fault::Null.into()),
        }
    }

    /// `len` bytes, `index` elements of `size` bytes behind the address.
    pub fn bytes(&self, p: Ptr, index: i64, size: usize, len: usize) -> Result<&[u8], Box<Fault>> {
        let region = self.region(p)?;
        let at = range(p, index, size, len, region.len())?;
        Ok(&region[at..at + len])
    }

    /// The same for writing.
    pub fn bytes_mut(&mut self, p: Ptr, index: i64, size: usize, len: usize) -> Result<&mut [u8], Box<Fault>> {
        let region = self.region_mut(p)?;
        match &mut region.data {
            Data::Owned(v) if region.writable => {
                let at = range(p, index, size, len, v.len())?;
                Ok(&mut v[at..at + len])
            }
            _ => Err(Fault::ReadOnly.into()),
        }
    }

    /// Bytes from the address to the end of its region.
    pub fn rest(&self, p: Ptr) -> Result<usize, Box<Fault>> {
        let size = p.reached(self.region(p)?.len());
        Ok(size - range(p, 0, 1, 0, size)?)
    }
}

fn range(p: Ptr, index: i64, size: usize, len: usize, region: usize) -> Result<usize, Box<Fault>> {
    let at = i128::from(index) * size as i128 + i128::from(p.offset);
    let region = p.reached(region);
    if at < 0 || at + len as i128 > region as i128 {
        return Err(Fault::OutOfBounds { at, len, size: region }.into());
    }
    Ok(at as usize)
}
