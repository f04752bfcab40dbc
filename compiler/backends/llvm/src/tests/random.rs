//! Random functions: interpreted and compiled, at every optimisation level.

use super::load::load;
use onnxc_codegen::Target;
use onnxc_ir::loops::interp::{ArgVal, Interp};
use onnxc_ir::loops::random::{SIZE, program};
use onnxc_ir::loops::verify::Stage;
use onnxc_ir::loops::*;

/// Functions per run; all share one program, and so one compilation.
const FUNCS: u32 = 150;

/// Statements that the interpreter runs before it gives a function up.
const STEPS: u64 = 200_000;

type Compiled = unsafe extern "C" fn(*const f32, *mut f32, i64, f64) -> i64;

/// Numbers that look random and are the same every time.
fn decisions(seed: u32) -> Vec<u32> {
    let mut s = u64::from(seed) + 1;
    let mut next = || {
        s = s.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (s >> 33) as u32
    };
    let n = 10 + next() % 150;
    (0..n).map(|_| next()).collect()
}

#[test]
fn random_functions_do_what_the_interpreter_does() {
    let stage = Stage { unrolled: false, planned: true, expanded: true };
    let mut p = program(&[], stage);
    p.funcs.clear();
    for seed in 0..FUNCS {
        for f in program(&decisions(seed), stage).funcs.values() {
            // The helper that all call comes first, once.
            if f.name == "f" {
                p.funcs.push(Func { name: format!("f{seed}"), linkage: Linkage::Export, ..f.clone() });
            } else if p.funcs.is_empty() {
                p.funcs.push(f.clone());
            }
        }
    }
    let libs = [0, 1, 2, 3].map(|level| load(&p, &Target::host(), level));
    let x: Vec<f32> = (0..SIZE).map(|i| i as f32 * 1.25 - 20.0).collect();
    let mut ran = 0;
    for (id, f) in p.funcs.iter().skip(1) {
        let mut interp = Interp::new(&p);
        interp.limit_steps(STEPS);
        let (n, d) = (i64::from(f.name.len() as u32) * 9 - 20, 3.75);
        let scalars = [ArgVal::Scalar(Scalar::i64(n)), ArgVal::Scalar(Scalar::f64(d))];
        let mut args = [[ArgVal::buf(&x), ArgVal::buf(&x)].as_slice(), &scalars].concat();
        let Ok(ret) = interp.call(id, &mut args) else { continue };
        ran += 1;
        for (level, lib) in libs.iter().enumerate() {
            let mut y = x.clone();
            // SAFETY: the interpreter has found every access to be in bounds.
            let r = unsafe { lib.get::<Compiled>(&f.name)(x.as_ptr(), y.as_mut_ptr(), n, d) };
            assert_eq!(Some(Scalar::i64(r)), ret, "{} at -O{level}", f.name);
            for (i, (have, want)) in y.iter().zip(args[1].elements::<f32>()).enumerate() {
                let same = have.to_bits() == want.to_bits() || have.is_nan() && want.is_nan();
                assert!(same, "{} at -O{level}: y[{i}] is {have:?} instead of {want:?}", f.name);
            }
        }
    }
    assert!(ran > FUNCS / 2, "only {ran} functions ended without a fault");
}
