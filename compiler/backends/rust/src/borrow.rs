//! Arguments of a call that are buffers: borrowed apart where they come from one slice.

use crate::lang::{Rust, number};
use crate::roots::Root;
use onnxc_base::DType;
use onnxc_ir::loops::Buf;
use std::collections::BTreeMap;

/// A buffer that is passed.
pub(crate) struct Borrow {
    /// Which.
    pub buf: Buf,
    /// The first element, as text; empty for 0.
    pub at: String,
    /// The callee writes to it.
    pub mutable: bool,
    /// Elements that the callee wants as an array; 0: a slice.
    pub elements: u64,
}

impl Borrow {
    fn start(&self) -> &str {
        if self.at.is_empty() { "0" } else { &self.at }
    }
}

impl Rust<'_> {
    /// The texts of arguments; `lines`: what stands before the call.
    pub(crate) fn borrow(&mut self, bufs: &[Borrow], lines: &mut Vec<String>) -> Result<Vec<String>, String> {
        let mut by_root: BTreeMap<Root, Vec<usize>> = BTreeMap::new();
        for (i, b) in bufs.iter().enumerate() {
            let root = self.roots[b.buf].clone().ok_or("a buffer has no memory")?;
            by_root.entry(root).or_default().push(i);
        }
        let mut texts = vec![String::new(); bufs.len()];
        for (root, users) in by_root {
            if users.len() > 1 && users.iter().any(|&i| bufs[i].mutable) {
                self.borrow_apart(&root, &users, bufs, lines)?;
                users.iter().for_each(|&i| texts[i] = format!("part_{i}"));
            } else {
                let name = self.root(&root);
                for &i in &users {
                    let borrow = if bufs[i].mutable { "&mut " } else { "&" };
                    let range = if bufs[i].at.is_empty() { "..".into() } else { format!("{}..", bufs[i].at) };
                    texts[i] = format!("{borrow}{name}[{range}]");
                }
            }
            for i in users {
                if bufs[i].elements > 0 {
                    let array = self.helpers.need(if bufs[i].mutable { "chunk_mut" } else { "chunk" }, DType::F32);
                    texts[i] = format!("{array}({})", texts[i]);
                }
            }
        }
        Ok(texts)
    }

    /// Defines `part_0`, `part_1`, ...: disjoint parts of a slice.
    fn borrow_apart(
        &mut self,
        root: &Root,
        users: &[usize],
        bufs: &[Borrow],
        lines: &mut Vec<String>,
    ) -> Result<(), String> {
        let name = self.root(root);
        let mut sorted: Vec<(Option<u64>, &str, usize)> = users
            .iter()
            .map(|&i| (bufs[i].start(), i))
            .map(|(at, i)| (if number(at) { at.parse().ok() } else { None }, at, i))
            .collect();
        sorted.sort_unstable();
        if sorted.windows(2).any(|w| w[0].1 == w[1].1) {
            return Err("a kernel reads and writes the same memory by two names, which safe Rust can't".into());
        }
        if sorted.iter().all(|(at, ..)| at.is_some()) {
            // From the last one on: what is left ends where it begins.
            let mut all = name;
            for (n, (_, at, i)) in sorted.iter().enumerate().rev() {
                let (rest, whole) = (if n == 0 { "_" } else { "rest" }, n == 0 && *at == "0" && all == "rest");
                lines.push(match whole {
                    true => format!("let part_{i} = rest;"),
                    false => format!("let ({rest}, part_{i}) = {all}.split_at_mut({at});"),
                });
                all = "rest".into();
            }
            return Ok(());
        }
        let parts = self.helpers.need("parts", DType::F32);
        let names: Vec<String> = users.iter().map(|&i| format!("part_{i}")).collect();
        let at: Vec<&str> = users.iter().map(|&i| bufs[i].start()).collect();
        let whole = self.whole(root);
        lines.push(format!("let [{}] = {parts}(&mut {name}{whole}, [{}]);", names.join(", "), at.join(", ")));
        Ok(())
    }
}
