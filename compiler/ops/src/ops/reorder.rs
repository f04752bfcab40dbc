//! Reorder, of this compiler's own: the same tensor, possibly in another layout. No model has it; passes that give
//! layouts to values put it where two layouts meet.

use super::movement::{any, none};
use crate::prelude::*;

/// Reorder.
pub static DEF: OpDef = OpDef {
    domain: "onnxc",
    name: "Reorder",
    versions: &[(1, none)],
    infer: |cx| {
        let x = any(cx, 0)?;
        cx.set_tensor(0, x.dtype, x.shape);
        Ok(())
    },
    lower: Lower::View(|_, index| Ok(index.to_vec())),
    extents: None,
};
