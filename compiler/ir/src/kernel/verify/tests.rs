//! A kernel for each way to break a rule, and what is said of it.

use super::*;
use crate::kernel::parse::parse_kernel;
use crate::kernel::tests::{kernels, snapshot};
use proptest::prelude::*;

/// Everything that is wrong with kernels that are no text.
fn complaints(name: &str, texts: &[&str]) {
    let mut all = Vec::new();
    for t in texts {
        let kernel = parse_kernel(t, None, None).unwrap_or_else(|d| panic!("{d}"));
        match verify(&kernel) {
            Ok(()) => panic!("this was accepted:\n{t}"),
            Err(d) => all.push(d.to_string()),
        }
    }
    snapshot(name, &all.join("\n\n"));
}

#[test]
fn broken_algorithms() {
    complaints(
        "verify",
        &[
            // Types.
            "kernel @types { in x: f32[2] in h: f16[2] in b: bool[2]
               a[i1 in 2]: f32 = x[i1] + 1.0f64
               b1[i2 in 2]: f16 = h[i2] + h[i2]
               c[i3 in 2]: f32 = select(x[i3], 1.0, 2.0)
               d[i4 in 2]: f64 = x[i4]
               e[i5 in 2]: i32 = exp(3i32)
               f[i6 in 2]: f32 = x[int(i6) + f32(1i64)]
               g[i7 in 2]: f32 = x.padded(0.0f64)[i7]
               h1[i8 in 2]: f16 = max(r1 in 2) of h[r1]
               j[i9 in 2]: f32 = sum(r2 in 2) from 0.0f64 of 1i64
               k[i10 in 2]: bool = b[i10] < b[i10]
               out a check 1 []: 1.0 }",
            "kernel @f8 { in x: c128[2] const c: f32[2] = [1.0, 2.0] y[i in 2]: c128 = x[i] out y }",
            // Names.
            "kernel @names { dim n in 1.. in x: f32[n]
               a[i in n]: f32 = x[j]
               b[i in n]: f32 = x[i]
               c[n in 4]: f32 = 1.0
               d[k in i]: f32 = 1.0
               e[m in n]: f32 = sum(r in n) from x[r] of x[r]
               f[p in overflow]: f32 = 1.0
               check 1 [q in n]: int(r) == 0i64 }",
            // Loads.
            "kernel @loads { dim n in 1.. in x: f32[n, 4]
               a[i in n]: f32 = x[i]
               b[j in n]: f32 = x[j, j + 4] + x[-1, 0] + x[j + 1, 0] + x[n - 1 - j, 3]
               c[k in n, l in 5]: f32 = x[k, l] + x.padded(0.0)[k, l] + x[2*k, 0]
               out c }",
        ],
    );
}

#[test]
fn broken_data() {
    let mut k = parse_kernel("kernel @k { const x: f32[2] = [1.0, 2.0] y[i in 2]: f32 = x[i] out y }", None, None)
        .unwrap_or_else(|d| panic!("{d}"));
    let load = |src| {
        let index = vec![crate::kernel::build::int(0)];
        Body::Map(Expr::new(ExprKind::Load { src, index, pad: None }))
    };
    k.params[ParamId::from_u32(0)].shape = vec![Sym::int(3)];
    let def = |name: &str, body| Def { name: name.into(), dtype: DType::F32, axes: vec![], body };
    k.defs.push(def("y", load(Src::Param(ParamId::from_u32(9)))));
    k.defs.push(def("z", load(Src::Def(DefId::from_u32(2)))));
    k.defs.push(def("w", Body::Map(Expr::new(ExprKind::Const(Scalar { dtype: DType::Bool, bits: 7 })))));
    k.outputs.push(DefId::from_u32(7));
    snapshot("verify-data", &verify(&k).expect_err("everything is wrong").to_string());
    k.outputs = vec![DefId::from_u32(0)];
    let def = DefId::from_u32(8);
    k.schedule.stages.push(Stage {
        def,
        acc: None,
        at: None,
        parallel: false,
        loops: vec![],
        over: vec![],
        vector: None,
        few: vec![],
        ahead: None,
        fused: false,
        dots: None,
    });
    assert!(verify_schedule(&k).is_err());
}

const CONV: &str = "
    dim h in 1..
    in x: f32[8, h, 16] in f: f32[8, 8]
    t[a in 8, b in 8]: f32 = f[b, a] * 2.0
    c[o in 8, i in h, j in 16]: f32 = sum(q in 8) of t[o, q] * x[q, i, j]
    y[o2 in 8, i2 in h, j2 in 16]: f32 = max(c[o2, i2, j2], 0.0)
    m[o3 in 8, i3 in h]: f32 = max(j3 in 16) of y[o3, i3, j3]
    z[o4 in 8, i4 in h, j4 in 16]: f32 = y[o4, i4, j4] - m[o4, i4]
    out z";

#[test]
fn legal_schedules() {
    for schedule in [
        "",
        "stage t: loops [a 1, b 1] stage y acc c: loops [o2 1, i2 1, j2 1], over [q 1] stage m: loops [i3 1, o3 1], over [j3 1]
         stage z: loops [j4 1, i4 1, o4 1]",
        "stage t: loops [b 1, a 1] stage y acc c at z 2: loops [o2 1, i2 1, j2 16], over [q 2], vector j2 8
         stage m at z 2: loops [o3 1, i3 1], over [j3 32], vector j3 8 stage z: loops [o4 1, i4 1, j4 1], parallel",
        "stage t: loops [a 1, b 1] stage y acc c: loops [o2 1, i2 ~~6, j2 4], over [q 1], vector j2 4, few [1 16, 2 8]
         stage m: loops [i3 1, o3 1], over [j3 1] stage z: loops [j4 1, i4 1, o4 1]",
        "stage t: loops [b 1, a 1] stage c: loops [o 4, j 8!, i ~6, j 4, o 1], over [q 3], vector j 4 stage y: loops [i2 1, j2 1, o2 1]
         stage m: loops [i3 1, o3 1], over [j3 1] stage z: loops [i4 1, j4 1, o4 1]",
        ] {
        let text = format!("kernel @k {{ {CONV} schedule {{ {schedule} }} }}");
        let kernel = parse_kernel(&text, None, None).unwrap_or_else(|d| panic!("{d}"));
        verify(&kernel).unwrap_or_else(|d| panic!("{d}"));
    }
}

#[test]
fn broken_schedules() {
    let texts: Vec<String> = [
        "stage z: loops [o4 1, i4 1]",
        "stage y acc c: loops [q 1, o2 1, i2 1, j2 1] stage m: loops [o3 1, i3 1], over [j3 1, j3 1] stage z: loops [o4 1, i4 1, j4 0]",
        "stage y acc c: loops [o2 2, i2 1, j2 8, o2 4], over [q 0], vector j2 12 stage y: loops [o2 1, i2 1, j2 1]
         stage m acc z: loops [o3 1, i3 1], over [j3 1] stage z: loops [o4 1, i4 1, j4 1], vector q 4",
        "stage m: loops [o3 1, i3 1], over [j3 1] stage y acc c: loops [o2 1, i2 1, j2 1], over [q 1] stage z: loops [o4 1, i4 1, j4 1]",
        "stage t at y 9: loops [a 1, b 1], parallel stage y acc c: loops [o2 1, i2 1, j2 1], over [q 1]
         stage m at y 1: loops [o3 1, i3 1], over [j3 1] stage z: loops [o4 1, i4 1, j4 1]",
        "stage t at c 1: loops [a 1, b 1] stage c at z 2: loops [o 1, i 1, j 1], over [q 1] stage y: loops [o2 1, i2 1, j2 1]
         stage m at z 3: loops [o3 1, i3 1], over [j3 1] stage z: loops [o4 1, i4 1, j4 1]",
        "stage t: loops [a 1, b 1], few [1 4] stage y acc c: loops [o2 1, i2 ~~6, i2 2, j2 8], over [q 1], vector j2 8,
         few [2 12, 1 8], ahead o2 stage m at z 3: loops [o3 1, i3 1], over [j3 1]
         stage z: loops [o4 1, i4 1!, j4 4], vector j4 4, few [1 8]",
    ]
    .map(|s| format!("kernel @k {{ {CONV} schedule {{ {s} }} }}"))
    .to_vec();
    let more = [
        "kernel @acc { in x: f32[4, 4] s[i in 4]: f32 = sum(r in 4) of x[i, r] y[j in 4]: f32 = s[j] + s[3 - j]
         out y check 1 [k in 4]: y[k] > 0.0 schedule { stage y acc s: loops [j 1], over [r 1] } }",
        "kernel @acc { in x: f32[4, 4] s[i in 4]: f32 = sum(r in 4) of x[i, r] y[j in 4]: f32 = 1.0
         z[k in 4]: f32 = s[k] out y, z, s schedule { stage y acc s: loops [j 1], over [r 1] stage z: loops [k 1] } }",
    ];
    let all: Vec<&str> = texts.iter().map(String::as_str).chain(more).collect();
    complaints("verify-schedule", &all);
}

proptest! {
    #[test]
    fn random_kernels_are_right_and_random_schedules_only_wrong(kernel in kernels()) {
        let plain = Kernel { schedule: Schedule::default(), ..kernel.clone() };
        // All that can be wrong with them: names that aren't unique, and indices that are provably out of range.
        if let Err(found) = verify(&plain) {
            let text = found.to_string();
            prop_assert!(found.0.iter().all(|d| d.message.starts_with("there are two definitions")), "{text}\n{plain}");
        }
        let _ = verify_schedule(&kernel);
    }
}
