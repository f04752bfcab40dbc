//! Linked functions: what the interpreter hands to their stand-ins.

use super::memory::{Memory, Ptr};
use crate::loops::Scalar;

/// Stands for a linked function. An error ends the run.
pub type ExternFn<'p> = Box<dyn FnMut(&mut ExternCall<'_>) -> Result<Option<Scalar>, String> + 'p>;

/// The arguments of a call to a linked function, by number.
pub struct ExternCall<'m> {
    pub(super) args: Vec<Passed>,
    pub(super) mem: &'m mut Memory,
}

/// An argument within the interpreter.
#[derive(Clone, Copy)]
pub(super) enum Passed {
    Scalar(Scalar),
    Buf(Ptr),
    Table(usize),
}

impl ExternCall<'_> {
    /// A scalar argument.
    pub fn scalar(&self, i: usize) -> Result<Scalar, String> {
        match self.args.get(i) {
            Some(Passed::Scalar(s)) => Ok(*s),
            _ => Err(format!("argument {i} is no scalar")),
        }
    }

    /// The bytes of a buffer argument, from its address to the end of its memory.
    pub fn bytes(&self, i: usize) -> Result<&[u8], String> {
        let p = self.ptr(i, None)?;
        let read = || self.mem.bytes(p, 0, 1, self.mem.rest(p)?);
        read().map_err(|f| f.to_string())
    }

    /// The same for writing.
    pub fn bytes_mut(&mut self, i: usize) -> Result<&mut [u8], String> {
        let p = self.ptr(i, None)?;
        self.writable(p)
    }

    /// The bytes of an entry of a table argument.
    pub fn entry_mut(&mut self, i: usize, entry: u32) -> Result<&mut [u8], String> {
        let p = self.ptr(i, Some(entry))?;
        self.writable(p)
    }

    fn ptr(&self, i: usize, entry: Option<u32>) -> Result<Ptr, String> {
        match (self.args.get(i), entry) {
            (Some(Passed::Buf(p)), None) => Ok(*p),
            (Some(Passed::Table(t)), Some(e)) => self.mem.entry(*t, e).map_err(|f| f.to_string()),
            _ => Err(format!("argument {i} is of another kind")),
        }
    }

    fn writable(&mut self, p: Ptr) -> Result<&mut [u8], String> {
        let len = self.mem.rest(p).map_err(|f| f.to_string())?;
        self.mem.bytes_mut(p, 0, 1, len).map_err(|f| f.to_string())
    }
}
