//! Runs cases both ways and compares the bytes.

use super::{Case, all};
use crate::artefact::{compile, complete};
use crate::backend::{Backend, CompileOptions, Emit};
use crate::{Linker, ModuleInfo, Target};
use onnxc_base::DType;
use onnxc_ir::loops::interp::{ArgVal, Interp};
use onnxc_ir::loops::{FuncId, Op, Program, Scalar};
use std::ffi::c_void;
use std::path::Path;

/// How many differences are listed.
const LISTED: usize = 20;

/// Compiles every case with a backend, at an optimisation level, and compares it with the interpreter. The error lists
/// what differs. Fused multiply-adds are left out for a target without them.
pub fn check(backend: &dyn Backend, target: &Target, opt_level: u8) -> Result<(), String> {
    check_cases(backend, target, opt_level, all())
}

/// Compiles every case to an object file for a machine that isn't this one; merges it, but runs nothing.
pub fn check_compiles(backend: &dyn Backend, target: &Target) -> Result<(), String> {
    let (_, mut program, _) = assemble(target, all());
    complete(&mut program);
    let artefact = compile(backend, &program, &ModuleInfo::default(), target, &CompileOptions::default());
    let bytes = artefact.map_err(|e| e.to_string())?.code_bytes();
    if bytes > 0 { Ok(()) } else { Err("there is no code".into()) }
}

/// The cases that a target can run, as one program.
fn assemble(target: &Target, mut cases: Vec<Case>) -> (Vec<Case>, Program, Vec<FuncId>) {
    cases.retain(|c| target.has_fma || !c.func.values.values().any(|v| matches!(v.op, Op::Fma(..))));
    let mut program = Program { name: "cases".into(), ..Program::default() };
    super::programs::add_helpers(&mut program);
    let ids = cases.iter().map(|c| program.funcs.push(c.func.clone())).collect();
    (cases, program, ids)
}

/// Like [`check`], for a choice of cases.
pub fn check_cases(backend: &dyn Backend, target: &Target, opt_level: u8, cases: Vec<Case>) -> Result<(), String> {
    let (cases, mut program, ids) = assemble(target, cases);
    onnxc_ir::loops::verify::verify(&program, Default::default()).map_err(|e| e.to_string())?;
    let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
    let library = build(backend, target, opt_level, &mut program, dir.path())?;
    let mut interp = Interp::new(&program);
    let mut wrong = Vec::new();
    for (case, id) in cases.iter().zip(ids) {
        let [a, b, c] = case.inputs.clone();
        let out = vec![0xcd; case.count * case.out.size()];
        let mut args = [a, b, c, out].map(ArgVal::Buf);
        interp.call(id, &mut args).map_err(|e| format!("{}: {e}", case.name))?;
        let want = args[3].elements::<u8>();
        let have = call(&library, case)?;
        wrong.extend(difference(case, &want, &have));
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let more = wrong.len().saturating_sub(LISTED);
    Err(format!(
        "{} of {} cases differ:\n{}\n... and {more} more",
        wrong.len(),
        cases.len(),
        wrong[..wrong.len().min(LISTED)].join("\n")
    ))
}

pub(super) fn build(
    backend: &dyn Backend,
    target: &Target,
    opt_level: u8,
    program: &mut Program,
    dir: &Path,
) -> Result<libloading::Library, String> {
    let info = ModuleInfo::default();
    complete(program);
    let options = CompileOptions { opt_level, emit: Emit::Object };
    let artefact = compile(backend, program, &info, target, &options).map_err(|e| e.to_string())?;
    let path = dir.join("cases.so");
    let linker = Linker::find().map_err(|e| e.to_string())?;
    artefact.write_shared(&path, &[], &linker).map_err(|e| e.to_string())?;
    // The library was just made and has no initialisers.
    unsafe { libloading::Library::new(&path) }.map_err(|e| e.to_string())
}

/// 64 bytes beyond the output, which must stay as they are.
const GUARD: usize = 64;

fn call(library: &libloading::Library, case: &Case) -> Result<Vec<u8>, String> {
    type Fun = unsafe extern "C" fn(*const u8, *const u8, *const c_void, *mut u8);
    let f = unsafe { library.get::<Fun>(case.name.as_bytes()) }.map_err(|e| format!("{}: {e}", case.name))?;
    let [a, b, c] = &case.inputs;
    let size = case.count * case.out.size();
    let mut out = vec![0xcd_u8; size + GUARD];
    let allocator = crate::heap::allocator();
    let takes_allocator = case.func.params.iter().any(|p| p.name == crate::backend::ALLOCATOR_PARAM);
    let third = if takes_allocator { (&raw const allocator).cast() } else { c.as_ptr().cast() };
    // The interpreter has shown that every access of the case is inside of these buffers.
    unsafe { f(a.as_ptr(), b.as_ptr(), third, out.as_mut_ptr()) };
    if out[size..].iter().any(|&v| v != 0xcd) {
        return Err(format!("{}: wrote beyond its output", case.name));
    }
    out.truncate(size);
    Ok(out)
}

/// The first element that differs.
fn difference(case: &Case, want: &[u8], have: &[u8]) -> Option<String> {
    let size = case.out.size();
    let at = (0..case.count).find(|i| {
        let range = i * size..(i + 1) * size;
        !same(case.out, &want[range.clone()], &have[range])
    })?;
    let show = |bytes: &[u8]| {
        let s = Scalar::read(case.out, &bytes[at * size..]);
        if case.out.is_float() { format!("{:#x} ({})", s.bits, s.to_f64()) } else { format!("{:#x}", s.bits) }
    };
    let inputs: Vec<String> = case.func.params[..3]
        .iter()
        .zip(&case.inputs)
        .filter_map(|(p, bytes)| {
            let onnxc_ir::loops::ParamKind::Buf { dtype, .. } = p.kind else { return None };
            let from = at * dtype.size();
            (bytes.len() >= from + dtype.size())
                .then(|| format!("{}={:#x}", p.name, Scalar::read(dtype, &bytes[from..]).bits))
        })
        .collect();
    Some(format!("{}[{at}]: {} instead of {} ({})", case.name, show(have), show(want), inputs.join(" ")))
}

fn same(d: DType, a: &[u8], b: &[u8]) -> bool {
    a == b || (d.is_float() && Scalar::read(d, a).to_f64().is_nan() && Scalar::read(d, b).to_f64().is_nan())
}
