//! What the code looks like: no register tile of the schedule is spilt inside of its loop, the IR says what it may, and
//! the same program gives the same bytes.

use super::kernels::{conv, exported, matmul, program, softmax, transpose};
use super::load::compile;
use crate::Llvm;
use onnxc_base::DType;
use onnxc_codegen::testing::assembly::innermost_loops;
use onnxc_codegen::{Backend, CompileOptions, Emit, Target};
use onnxc_ir::loops::*;

fn target(triple: &str, cpu: &str) -> Target {
    Target::parse(Some(triple), Some(cpu)).expect("it is in the table")
}

fn assembly(f: Func, target: &Target) -> String {
    String::from_utf8(compile(&program(f), target, 2, Emit::Assembly)).expect("assembly is text")
}

/// The multiplying loop of a kernel holds nothing but its work: no vector goes to or comes from the stack, and most of
/// its instructions multiply.
fn check_tile(name: &str, f: Func, target: &Target, least_share: f64) {
    let asm = assembly(f, target);
    let loops = innermost_loops(&asm);
    let body = loops.iter().max_by_key(|l| l.multiply_adds()).expect("a kernel has a loop");
    assert_eq!(body.vector_on_stack(), None, "{name} on {} spills", target.cpu);
    let (share, count) = (body.share(), body.0.len());
    assert!(share >= least_share, "{name} on {}: only {share:.2} of {count} instructions multiply", target.cpu);
}

/// Every tile that the scheduler may choose. The shares are those of the instruction set: AVX-512 multiplies by a
/// broadcast from memory, AVX2 and NEON load it first.
#[test]
fn register_tiles_stay_in_registers() {
    type Tiles = &'static [(u32, u32)];
    let avx512: Tiles = &[(6, 4), (7, 3), (8, 3), (9, 3), (12, 2), (14, 2), (28, 1), (5, 5), (4, 6)];
    let avx2: Tiles = &[(6, 2), (4, 3), (3, 4), (2, 6)];
    let neon: Tiles = &[(8, 3), (12, 2), (6, 4), (8, 2), (4, 5)];
    let (linux, arm) = ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu");
    let sets: [(Target, u16, Tiles, f64); 4] = [
        (target(linux, "sapphirerapids"), 16, avx512, 0.55),
        (target(linux, "znver4"), 16, avx512, 0.55),
        (target(linux, "x86-64-v3"), 8, avx2, 0.45),
        (target(arm, "neoverse-n1"), 4, neon, 0.45),
    ];
    for (target, lanes, tiles, share) in &sets {
        for &(r, v) in tiles.iter() {
            let m = i64::from(r) * 8;
            check_tile(&format!("matmul {r}x{v}"), matmul((r, v, *lanes), m, 512), target, *share);
            check_tile(&format!("conv {r}x{v}"), conv((r, v, *lanes), (8, m, 64, 1)), target, *share);
        }
    }
}

#[test]
fn reductions_and_copies_stay_in_registers() {
    let t = target("x86_64-unknown-linux-gnu", "znver4");
    for f in [softmax(1008), transpose()] {
        let name = f.name.clone();
        for body in innermost_loops(&assembly(f, &t)) {
            assert_eq!(body.vector_on_stack(), None, "{name}: {body:?}");
        }
    }
}

/// The frame of a function with an array of 400 bytes and of one without anything, as they were compiled.
#[test]
fn frames_are_known() {
    let mut array = exported("array");
    let (y, at) = (array.param_buf("y", DType::I32, true), array.param("at", DType::I64));
    let a = array.buf(DType::I32, BufKind::Stack(100), "a");
    let (zero, end) = (array.int(0), array.int(100));
    array.for_loop("i", zero, end, 1, LoopKind::Serial, |b, i| {
        let v = b.load(y, i, 1, None);
        b.store(a, i, v, None);
    });
    let v = array.load(a, at, 1, None);
    array.store(y, zero, v, None);
    let mut empty = exported("empty");
    empty.param_buf("y", DType::I32, true);
    let mut p = Program { name: "m".into(), ..Program::default() };
    p.funcs.push(array.finish());
    p.funcs.push(empty.finish());
    let constants = onnxc_codegen::ConstLayout::new(&p);
    let unit = onnxc_codegen::Unit { program: &p, constants: &constants, address_functions: &[], data: None };
    let t = target("thumbv7em-none-eabihf", "cortex-m4");
    let code = Llvm.compile(&unit, &t, &CompileOptions::default()).expect("it compiles");
    let frames = code.frames.expect("LLVM knows them");
    assert!((400..=480).contains(&frames["array"]) && !frames.contains_key("empty"), "{frames:?}");
}

/// Attributes, loop identities, constants by symbol, and the shape of a small kernel.
#[test]
fn ir_of_a_small_function() {
    let mut p = program(Func::default());
    p.funcs.clear();
    let k = p.consts.push(ConstData { name: "k".into(), dtype: DType::F32, data: vec![0; 64].into() });
    let mut b = exported("scale");
    let (x, y) = (b.param_buf("x", DType::F32, false), b.param_buf("y", DType::F32, true));
    let (n, flip) = (b.param("n", DType::I64), b.param("flip", DType::Bool));
    let c = b.buf(DType::F32, BufKind::Const(k), "k");
    let sum = b.var(Ty::vector(DType::F32, 8), &[2], "sum");
    let (zero, one) = (b.int(0), b.int(1));
    b.for_loop("i", zero, n, 8, LoopKind::Serial, |b, i| {
        let (v, w) = (b.load(x, i, 8, None), b.load(c, one, 1, None));
        let s = b.get(sum, &[one]);
        let s = b.fma(v, w, s);
        b.set(sum, &[one], s);
    });
    let s = b.get(sum, &[one]);
    let s = b.op(Ty::scalar(DType::F32), Op::Reduce(ReduceOp::Max, s));
    let m = b.unary(UnOp::Neg, s);
    let r = b.select(flip, m, s);
    b.store(y, zero, r, None);
    p.funcs.push(b.finish());
    let t = target("x86_64-unknown-linux-gnu", "x86-64-v3");
    let ll = String::from_utf8(compile(&p, &t, 2, Emit::BackendIr)).expect("LLVM IR is text");
    insta::assert_snapshot!(ll);
}

#[test]
fn the_same_program_gives_the_same_object() {
    let t = Target::host();
    let p = program(conv((6, 4, 16), (8, 12, 32, 2)));
    for emit in [Emit::Object, Emit::Assembly, Emit::BackendIr] {
        assert_eq!(compile(&p, &t, 2, emit), compile(&p, &t, 2, emit));
    }
}

/// Objects of other machines: their magic numbers.
#[test]
fn cross_compilation() {
    let cases: [(&str, &[u8]); 9] = [
        ("x86_64-unknown-linux-gnu", b"\x7fELF\x02"),
        ("aarch64-unknown-linux-gnu", b"\x7fELF\x02"),
        ("riscv64gc-unknown-linux-gnu", b"\x7fELF\x02"),
        ("thumbv6m-none-eabi", b"\x7fELF\x01"),
        ("thumbv7em-none-eabihf", b"\x7fELF\x01"),
        ("thumbv8m.main-none-eabihf", b"\x7fELF\x01"),
        ("x86_64-pc-windows-msvc", &[0x64, 0x86]),
        ("aarch64-apple-darwin", &[0xcf, 0xfa, 0xed, 0xfe]),
        ("x86_64-apple-darwin", &[0xcf, 0xfa, 0xed, 0xfe]),
    ];
    for (triple, magic) in cases {
        let t = Target::parse(Some(triple), None).expect("its architecture is known");
        // No fused multiply-add, which the oldest processors lack.
        let object = compile(&program(transpose()), &t, 2, Emit::Object);
        assert!(object.starts_with(magic), "{triple}: {:x?}", &object[..8]);
    }
}

/// out[i] = sum over j of x[j] * w[i][j], sixteen or four products at once.
fn sums_of_products(group: u16) -> Func {
    let mut b = FuncBuilder::new("sums");
    b.func.linkage = Linkage::Export;
    let (x, w) = (b.param_buf("x", DType::I8, false), b.param_buf("w", DType::I8, false));
    let out = b.param_buf("out", DType::I32, true);
    let sum = b.var(Ty::scalar(DType::I32), &[], "sum");
    let (zero, end) = (b.int(0), b.int(64));
    b.for_loop("j", zero, end, i64::from(group), LoopKind::Serial, |b, j| {
        let (v, k, old) = (b.load(x, j, group, None), b.load(w, j, group, None), b.get(sum, &[]));
        let next = b.dot(v, k, old);
        b.set(sum, &[], next);
    });
    let total = b.get(sum, &[]);
    let at = b.int(0);
    b.store(out, at, total, None);
    b.finish()
}

/// Machines without an operating system: the instructions that they are chosen for, and no dynamic linking.
#[test]
fn small_machines_sum_products() {
    let m4 = assembly(sums_of_products(4), &target("thumbv7em-none-eabihf", "cortex-m4"));
    assert!(m4.contains("smlad") && m4.contains("sxtb16") && !m4.contains("GOT"), "{m4}");
    assert!(m4.contains(".eabi_attribute\t28, 1"), "floats go in registers\n{m4}");
    let m55 = assembly(sums_of_products(16), &target("thumbv8.1m.main-none-eabihf", "cortex-m55"));
    assert!(m55.contains("vmlava.s8") || m55.contains("vmladava.s8"), "{m55}");
    for (triple, cpu) in [
        ("thumbv6m-none-eabi", "cortex-m0"),
        ("riscv32imac-unknown-none-elf", "generic-rv32"),
        ("riscv32imafc-unknown-none-elf", "generic-rv32"),
        ("aarch64-unknown-linux-gnu", "neoverse-n1"),
        ("wasm32-unknown-unknown", "generic"),
    ] {
        assert!(assembly(sums_of_products(4), &target(triple, cpu)).contains("sums"), "{triple}");
    }
}

/// Two tiles of lanes with four products each, of data that is the same for all lanes.
fn sums_of_lanes(lanes: u16, [x, w]: [DType; 2]) -> Func {
    let mut b = FuncBuilder::new("sums");
    b.func.linkage = Linkage::Export;
    let (data, weights) = (b.param_buf("x", x, false), b.param_buf("w", w, false));
    let out = b.param_buf("out", DType::I32, true);
    let (ty, all) = (Ty::vector(DType::I32, lanes), 4 * lanes);
    let sum = b.var(ty, &[], "sum");
    let (zero, end) = (b.int(0), b.int(64));
    b.for_loop("j", zero, end, 4, LoopKind::Serial, |b, j| {
        let group = b.load(data, j, 4, None);
        let word = b.op(Ty::scalar(DType::I32), Op::Bitcast(group));
        let words = b.splat(word, lanes);
        let v = b.op(Ty::vector(x, all), Op::Bitcast(words));
        let many = b.int(i64::from(lanes));
        let at = b.mul(j, many);
        let (k, old) = (b.load(weights, at, all, None), b.get(sum, &[]));
        let next = b.dot(v, k, old);
        b.set(sum, &[], next);
    });
    let total = b.get(sum, &[]);
    let at = b.int(0);
    b.store(out, at, total, None);
    b.finish()
}

/// Lanes that sum four products each: the instructions that processors have for it, and a plain broadcast of the data.
#[test]
fn lanes_sum_products() {
    let (linux, arm) = ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu");
    let (i8, u8) = (DType::I8, DType::U8);
    for (triple, cpu, lanes, dtypes, instruction, broadcast) in [
        (linux, "sapphirerapids", 16, [u8, i8], "vpdpbusd", "vpbroadcastd"),
        (linux, "icelake-server", 16, [i8, u8], "vpdpbusd", "{1to16}"),
        (linux, "alderlake", 8, [u8, i8], "vpdpbusd", "vpbroadcastd"),
        (linux, "skylake-avx512", 16, [i8, i8], "vpmaddwd", "vpbroadcastd"),
        (linux, "x86-64-v3", 8, [i8, i8], "vpmaddwd", "vpbroadcastd"),
        (linux, "x86-64", 4, [u8, u8], "pmaddwd", "pshufd"),
        (arm, "neoverse-n1", 4, [i8, i8], "sdot", "ld1r"),
        (arm, "neoverse-n1", 4, [u8, u8], "udot", "ld1r"),
    ] {
        let asm = assembly(sums_of_lanes(lanes, dtypes), &target(triple, cpu));
        assert!(asm.contains(instruction) && asm.contains(broadcast), "{cpu} {dtypes:?}\n{asm}");
    }
}

/// Two functions for Xtensa, one of which calls the other: each stands behind its literals, so that those are in reach whatever
/// a linker does, and all that is left to it is addresses.
#[test]
fn functions_of_xtensa_are_alone_with_their_literals() {
    use object::{Object, ObjectSection, RelocationFlags, SectionKind};
    let target = Target::parse(Some("xtensa-esp32-none-elf"), None).expect("it is in the table");
    let mut scale = exported("scale");
    let (x, y) = (scale.param_buf("x", DType::F32, true), scale.param_buf("y", DType::F32, true));
    let (zero, end) = (scale.int(0), scale.int(100_000));
    scale.for_loop("i", zero, end, 1, LoopKind::Serial, |b, i| {
        let (v, k) = (b.load(x, i, 1, None), b.scalar(Scalar::f32(1234.5)));
        let v = b.mul(v, k);
        b.store(y, i, v, None);
    });
    let mut p = program(scale.finish());
    let Some((first, _)) = p.funcs.iter().next() else { panic!("it has one") };
    let mut b = exported("p_run");
    let x: Vec<Arg> = p.funcs[first]
        .params
        .iter()
        .map(|q| Arg::Buf { buf: b.param_buf(&q.name, DType::F32, true), offset: None })
        .collect();
    b.call(Callee::Func(first), x, None);
    p.funcs.push(b.finish());
    let made =
        onnxc_codegen::compile(&Llvm, &p, &onnxc_codegen::ModuleInfo::default(), &target, &CompileOptions::default());
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let path = folder.path().join("m.o");
    made.and_then(|a| a.write_object(&path)).unwrap_or_else(|e| panic!("{e}"));
    let bytes = std::fs::read(&path).expect("it is written");
    let file = object::File::parse(bytes.as_slice()).expect("it is an object");
    let code: Vec<_> = file.sections().filter(|s| s.kind() == SectionKind::Text).collect();
    // What LLVM would end the process at is refused.
    let masks = program(transpose());
    let how = CompileOptions::default();
    let refused = onnxc_codegen::compile(&Llvm, &masks, &onnxc_codegen::ModuleInfo::default(), &target, &how);
    assert!(refused.err().expect("it has masks of vectors").to_string().contains("E5304"));
    // Both, and the text of a status.
    assert_eq!(code.len(), 3, "{:?}", code.iter().map(|s| s.name()).collect::<Vec<_>>());
    for section in code {
        assert!(section.align() >= 4);
        for (at, r) in section.relocations() {
            let kind = match r.flags() {
                RelocationFlags::Elf { r_type } => r_type,
                other => panic!("{other:?}"),
            };
            assert_eq!((kind, at % 4), (object::elf::R_XTENSA_32, 0), "{:?} at {at}", section.name());
        }
    }
}
