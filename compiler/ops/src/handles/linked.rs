//! The runtime's functions where loops IR is interpreted: those that are linked into modules, called in this process.

use onnxc_ir::loops::interp::{ExternCall, Interp};
use onnxc_ir::loops::{ParamKind, Program};
use onnxc_ir::scalar::Scalar;
use onnxc_runtime::objects;

/// The objects of one run.
pub struct Objects(i64);

impl Objects {
    /// A run that knows no strings yet.
    pub fn begin(strings: &onnxc_base::IndexSet<Vec<u8>>) -> Objects {
        let (table, bytes) = string_table(strings);
        // The table is what `begin` wants.
        Objects(unsafe { objects::begin(table.as_ptr(), bytes.as_ptr()) })
    }

    /// What linked functions are given.
    pub fn address(&self) -> i64 {
        self.0
    }

    /// The run itself.
    pub fn run(&mut self) -> &mut objects::Run {
        // Nobody else has the address while this borrow lasts.
        unsafe { &mut *(self.0 as usize as *mut objects::Run) }
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        unsafe { objects::end(self.0) }
    }
}

/// The strings of a module as the runtime's `begin` takes them: without the first, which is the empty one.
pub fn string_table(strings: &onnxc_base::IndexSet<Vec<u8>>) -> (Vec<i64>, Vec<u8>) {
    let (mut table, mut bytes) = (vec![strings.len().saturating_sub(1) as i64, 0], vec![]);
    for s in strings.iter().skip(1) {
        bytes.extend_from_slice(s);
        table.push(bytes.len() as i64);
    }
    (table, bytes)
}

/// Lets an interpreter call the runtime.
pub fn supply(interp: &mut Interp<'_>, program: &Program) {
    for x in program.externs.values() {
        let Some((address, arity)) = objects::address(&x.symbol) else { continue };
        if arity != x.params.len() {
            continue;
        }
        let (params, wide) = (x.params.clone(), x.ret.is_some_and(|t| t.elem.bits() == 64));
        let returns = x.ret.is_some();
        interp.supply(
            &x.symbol,
            Box::new(move |call| {
                let args = params.iter().enumerate().map(|(i, k)| word(call, i, *k)).collect::<Result<Vec<_>, _>>()?;
                // Every argument is of a word's size, and every address reaches as far as the function says it reads.
                let result = unsafe { invoke(address, &args) };
                Ok(returns.then(|| {
                    if wide {
                        Scalar::i64(result)
                    } else {
                        Scalar::from_i64(onnxc_base::DType::I32, i64::from(result as i32))
                    }
                }))
            }),
        );
    }
}

/// An argument as a word.
fn word(call: &mut ExternCall<'_>, i: usize, kind: ParamKind) -> Result<i64, String> {
    Ok(match kind {
        ParamKind::Scalar(_) => call.scalar(i)?.to_i64(),
        ParamKind::Buf { mutable: true, .. } => call.bytes_mut(i)?.as_mut_ptr() as usize as i64,
        ParamKind::Buf { mutable: false, .. } => call.bytes(i)?.as_ptr() as usize as i64,
        ParamKind::Table => return Err("the runtime takes no tables".into()),
    })
}

/// Calls a C function on words.
///
/// # Safety
/// `f` takes as many integers or addresses as there are words, and each is what it expects.
unsafe fn invoke(f: *const (), a: &[i64]) -> i64 {
    use std::mem::transmute;
    type W = i64;
    unsafe {
        match *a {
            [a] => transmute::<*const (), extern "C" fn(W) -> W>(f)(a),
            [a, b] => transmute::<*const (), extern "C" fn(W, W) -> W>(f)(a, b),
            [a, b, c] => transmute::<*const (), extern "C" fn(W, W, W) -> W>(f)(a, b, c),
            [a, b, c, d] => transmute::<*const (), extern "C" fn(W, W, W, W) -> W>(f)(a, b, c, d),
            [a, b, c, d, e] => transmute::<*const (), extern "C" fn(W, W, W, W, W) -> W>(f)(a, b, c, d, e),
            [a, b, c, d, e, g, h] => {
                transmute::<*const (), extern "C" fn(W, W, W, W, W, W, W) -> W>(f)(a, b, c, d, e, g, h)
            }
            _ => 0,
        }
    }
}
