//! Where the memory of a buffer is, as safe Rust can say it: a slice and an offset of elements.
//!
//! Pointers into one arena can't be two `&mut`s, so nothing here is a reference: a view is its slice's name and a number.
//! The workspace, bytes in loops IR, is an array per element type; a view of it is a part of the array of its type.

use crate::helpers::memory_type;
use onnxc_base::SecondaryMap;
use onnxc_ir::loops::walk::blocks;
use onnxc_ir::loops::{Block, Buf, BufKind, Func, Stmt};
use std::collections::BTreeMap;

/// The slice that a buffer is in.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Root {
    /// A parameter.
    Param(u32),
    /// A constant.
    Const(usize),
    /// An array on the stack.
    Stack(Buf),
    /// The workspace's array of a type.
    Arena(&'static str),
}

/// Roots of all buffers of a function, or why some have none. `workspace`: the parameter that is bytes for everything.
pub(crate) fn roots(
    f: &Func,
    workspace: Option<u32>,
) -> Result<SecondaryMap<Buf, Option<Root>>, BTreeMap<Buf, String>> {
    use onnxc_base::EntityRef;
    let mut all: SecondaryMap<Buf, Option<Root>> = SecondaryMap::new();
    for (buf, def) in &f.bufs {
        all[buf] = match def.kind {
            BufKind::Param(i) if Some(i) == workspace => Some(Root::Arena("u8")),
            BufKind::Param(i) => Some(Root::Param(i)),
            BufKind::Const(c) => Some(Root::Const(c.index())),
            BufKind::Stack(_) => Some(Root::Stack(buf)),
            BufKind::Local | BufKind::Pointer => None,
        };
    }
    // A pointer may be set from one that is set later: until nothing new is known.
    loop {
        let before = all.clone();
        let mut wrong = BTreeMap::new();
        note(f, &f.body, &mut all, &mut wrong);
        if f.bufs.keys().all(|b| all[b] == before[b]) {
            return if wrong.is_empty() { Ok(all) } else { Err(wrong) };
        }
    }
}

fn note(f: &Func, b: &Block, all: &mut SecondaryMap<Buf, Option<Root>>, wrong: &mut BTreeMap<Buf, String>) {
    for s in &b.0 {
        match s {
            Stmt::View { buf, base, .. } => {
                let ty = memory_type(f.bufs[*buf].dtype);
                all[*buf] = match &all[*base] {
                    // The workspace itself is bytes; what lies in it has one type.
                    Some(Root::Arena(_)) if matches!(f.bufs[*base].kind, BufKind::Param(_)) => Some(Root::Arena(ty)),
                    Some(r) if memory_type(f.bufs[*base].dtype) == ty => Some(r.clone()),
                    Some(_) => {
                        let (from, to) = (f.bufs[*base].dtype, f.bufs[*buf].dtype);
                        wrong.insert(*buf, format!("memory of {from} is seen as {to}, which safe Rust can't"));
                        None
                    }
                    None => None,
                };
            }
            Stmt::Assign { buf, from } => match (&all[*buf], &all[*from]) {
                (Some(a), Some(b)) if a != b => {
                    let why = "a pointer moves between memory of the module and of the caller, which safe Rust can't";
                    wrong.insert(*buf, why.into());
                }
                (None, known) => all[*buf] = known.clone(),
                _ => {}
            },
            s => {
                for b in blocks(s) {
                    note(f, b, all, wrong);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use onnxc_base::DType;
    use onnxc_ir::loops::FuncBuilder;

    /// The types of two views, the second of the first.
    fn views(first: DType, second: DType) -> Result<Option<Root>, BTreeMap<Buf, String>> {
        let mut b = FuncBuilder::new("f");
        let workspace = b.param_buf("workspace", DType::U8, true);
        let byte_offset = b.int(0);
        let mut base = workspace;
        for dtype in [first, second] {
            let buf = b.buf(dtype, BufKind::Local, "v");
            b.stmt(Stmt::View { buf, base, byte_offset, count: None });
            base = buf;
        }
        roots(&b.finish(), Some(0)).map(|all| all[base].clone())
    }

    #[test]
    fn what_lies_in_the_workspace_has_one_type() {
        assert_eq!(views(DType::F32, DType::F32), Ok(Some(Root::Arena("f32"))));
        // Arrays of two types aren't the same memory.
        assert!(views(DType::F32, DType::I32).is_err());
    }
}
