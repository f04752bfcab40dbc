//! Random programs of loops IR, interpreted and compiled: statements in every combination, not only those we thought of.

use super::run::build;
use super::values::Bits;
use crate::{Backend, Target};
use onnxc_ir::loops::interp::{ArgVal, Interp};
use onnxc_ir::loops::random::{SIZE, program};
use onnxc_ir::loops::verify::Stage;
use onnxc_ir::loops::{Linkage, Op, Scalar};

/// Runs `count` programs, the first from `seed`; the error shows the first one that differs, as text.
pub fn check(backend: &dyn Backend, target: &Target, opt_level: u8, seed: u64, count: usize) -> Result<(), String> {
    let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
    let mut bits = Bits(seed | 1);
    for _ in 0..count {
        let length = 20 + bits.next() % 400;
        let decisions: Vec<u32> = (0..length).map(|_| (bits.next() >> 32) as u32).collect();
        let mut p = program(&decisions, Stage::FINAL);
        let Some(last) = p.funcs.keys().next_back() else { continue };
        p.funcs[last].linkage = Linkage::Export;
        if !target.has_fma && p.funcs[last].values.values().any(|v| matches!(v.op, Op::Fma(..))) {
            continue;
        }
        let (n, d) = ((bits.next() % 64) as i64 - 8, (bits.next() >> 40) as f64 / 1000.0 - 5000.0);
        let x: Vec<f32> = (0..SIZE).map(|_| (bits.next() >> 40) as f32 / 4096.0 - 2048.0).collect();
        let y = vec![0.5f32; SIZE as usize];
        let mut args =
            [ArgVal::buf(&x), ArgVal::buf(&y), ArgVal::Scalar(Scalar::i64(n)), ArgVal::Scalar(Scalar::f64(d))];
        let mut interp = Interp::new(&p);
        interp.limit_steps(1_000_000);
        let Ok(result) = interp.call(last, &mut args) else { continue };
        let library = build(backend, target, opt_level, &mut p.clone(), dir.path())?;
        type Fun = unsafe extern "C" fn(*const f32, *mut f32, i64, f64) -> i64;
        let mut got = y.clone();
        // The interpreter has shown that every access is inside of the buffers.
        let returned =
            unsafe { library.get::<Fun>(b"f").map_err(|e| e.to_string())?(x.as_ptr(), got.as_mut_ptr(), n, d) };
        let want = args[1].elements::<f32>();
        let same = want.iter().zip(&got).all(|(w, g)| w.to_bits() == g.to_bits() || (w.is_nan() && g.is_nan()));
        if !same || result.map(Scalar::to_i64) != Some(returned) {
            let text = onnxc_ir::loops::print::print_program(&p, Default::default());
            return Err(format!(
                "returned {returned} instead of {result:?}, wrote\n{got:?} instead of\n{want:?}\nn = {n}, d = {d}\n{text}"
            ));
        }
    }
    Ok(())
}
