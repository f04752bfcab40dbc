//! Arrays on the stack that are written and never read: what is left of them once those who read them are gone.
//!
//! Afterwards such an array is a name without memory that no statement mentions. Other memory may be seen from outside: it stays.

use super::walk::{blocks, blocks_mut, bufs};
use super::{Block, Buf, BufDef, BufKind, Func, Stmt};
use onnxc_base::SecondaryMap;

/// Removes writes to arrays on the stack that nothing else in the body mentions, and the arrays; true if there were any. What
/// the writes computed is left to who calls.
pub fn drop_unread(f: &mut Func, body: &mut Block) -> bool {
    let mut used = SecondaryMap::new();
    uses(f, body, &mut used);
    let unread = |(b, d): &(Buf, &BufDef)| matches!(d.kind, BufKind::Stack(_)) && !used[*b];
    let unread: Vec<Buf> = f.bufs.iter().filter(unread).map(|(b, _)| b).collect();
    for &buf in &unread {
        drop_writes(body, buf);
        f.bufs[buf].kind = BufKind::Local;
    }
    !unread.is_empty()
}

/// The buffers that anything but a write to them mentions.
fn uses(f: &Func, b: &Block, used: &mut SecondaryMap<Buf, bool>) {
    for s in &b.0 {
        if !matches!(s, Stmt::Store { .. } | Stmt::Scatter { .. }) {
            bufs(f, s, &mut |b| used[b] = true);
        }
        blocks(s).into_iter().for_each(|i| uses(f, i, used));
    }
}

fn drop_writes(b: &mut Block, of: Buf) {
    b.0.retain(|s| !matches!(s, Stmt::Store { buf, .. } | Stmt::Scatter { buf, .. } if *buf == of));
    b.0.iter_mut().flat_map(blocks_mut).for_each(|i| drop_writes(i, of));
}

#[cfg(test)]
mod tests {
    use super::drop_unread;
    use crate::loops::{BufKind, FuncBuilder, Program};
    use onnxc_base::DType;

    #[test]
    fn arrays_that_nobody_reads_are_gone() {
        let mut b = FuncBuilder::new("f");
        let x = b.param_buf("x", DType::F32, false);
        let y = b.param_buf("y", DType::F32, true);
        let (read, unread) =
            (b.buf(DType::F32, BufKind::Stack(1), "read"), b.buf(DType::F32, BufKind::Stack(1), "unread"));
        let zero = b.int(0);
        let v = b.load(x, zero, 1, None);
        b.store(read, zero, v, None);
        b.store(unread, zero, v, None);
        let back = b.load(read, zero, 1, None);
        b.store(y, zero, back, None);
        let mut p = Program { name: "t".into(), ..Program::default() };
        let mut f = b.finish();
        let mut body = std::mem::take(&mut f.body);
        assert!(drop_unread(&mut f, &mut body) && !drop_unread(&mut f, &mut body));
        f.body = body;
        p.funcs.push(f);
        let text = p.to_string();
        assert!(text.contains("read") && !text.contains("unread"), "{text}");
    }
}
