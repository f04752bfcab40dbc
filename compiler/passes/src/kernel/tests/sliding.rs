//! What windows slide over, computed row by row in a ring, with the padding around it.

use super::*;
use onnxc_ir::kernel::parse::parse_kernel;

/// A convolution 1×2 and, over its limited result, depthwise windows 3×3 of this stride with this padding.
fn text(size: i64, stride: i64, pad: i64) -> String {
    let out = (size + 2 * pad - 3) / stride + 1;
    let from = if pad > 0 { "y.padded(0.0)" } else { "y" };
    format!(
        "kernel @block {{
           in x: f32[{size}, {}, 4]
           in k: f32[2, 4, 16]
           in w: f32[3, 3, 16]
           c[i in {size}, j in {size}, o in 16]: f32 = sum(p in 2, q in 4) of x[i, j + p, q] * k[p, q, o]
           y[a in {size}, b in {size}, d in 16]: f32 = min(max(c[a, b, d], -0.5), 1.5)
           z[u in {out}, v in {out}, t in 16]: f32 = sum(r in 3, s in 3) of
             {from}[{stride}*u + r - {pad}, {stride}*v + s - {pad}, t] * w[r, s, t]
           out z
         }}",
        size + 1
    )
}

#[test]
fn windows_slide_over_rings() {
    for (stride, pad, threads) in [(1, 1, 1), (2, 1, 1), (1, 0, 1), (1, 1, 3), (2, 1, 3), (2, 0, 3)] {
        // The larger one is worth several threads.
        for size in [19, 48] {
            let machine = Machine { threads, ..Machine::USUAL };
            let kernel = parse_kernel(&text(size, stride, pad), None, None).unwrap_or_else(|d| panic!("{d}"));
            let mut k = kernel.clone();
            optimise(&mut k, machine).expect("it is scheduled");
            let rings = k.schedule.stages.iter().filter(|s| s.at.is_some_and(|a| a.rolls)).count();
            assert_eq!(rings, 1 + usize::from(pad > 0), "{k}");
            let size = size as usize;
            let inputs = [numbers(&[size, size + 1, 4]), numbers(&[2, 4, 16]), numbers(&[3, 3, 16])];
            agree_scheduled(&k, machine, &kernel, &[], &inputs);
        }
    }
}

#[test]
fn rings_of_unknown_extents() {
    let text = "kernel @block {
           dim h in 1.. about 19
           dim w in 1.. about 40
           in x: f32[h, w + 1, 4]
           in k: f32[2, 4, 16]
           in w3: f32[3, 3, 16]
           c[i in h, j in w, o in 16]: f32 = sum(p in 2, q in 4) of x[i, j + p, q] * k[p, q, o]
           y[a in h, b in w, d in 16]: f32 = min(max(c[a, b, d], -0.5), 1.5)
           z[u in floordiv(h + 1, 2), v in floordiv(w + 1, 2), t in 16]: f32 = sum(r in 3, s in 3) of
             y.padded(0.0)[2*u + r - 1, 2*v + s - 1, t] * w3[r, s, t]
           out z
         }";
    let kernel = parse_kernel(text, None, None).unwrap_or_else(|d| panic!("{d}"));
    for threads in [1, 3] {
        let machine = Machine { threads, ..Machine::USUAL };
        let mut k = kernel.clone();
        optimise(&mut k, machine).expect("it is scheduled");
        let rings = k.schedule.stages.iter().filter(|s| s.at.is_some_and(|a| a.rolls)).count();
        assert_eq!(rings, 2, "{k}");
        for (h, w) in [(19, 40), (1, 1), (2, 5), (40, 3), (64, 65)] {
            let inputs = [numbers(&[h, w + 1, 4]), numbers(&[2, 4, 16]), numbers(&[3, 3, 16])];
            agree_scheduled(&k, machine, &kernel, &[("h", h as i64), ("w", w as i64)], &inputs);
        }
    }
}

#[test]
fn padding_lies_around_the_ring() {
    let mut k = parse_kernel(&text(32, 1, 1), None, None).unwrap_or_else(|d| panic!("{d}"));
    optimise(&mut k, Machine::USUAL).expect("it is scheduled");
    let lowered = from_kernel(&k, "k", Machine::USUAL).expect("the schedule can be lowered");
    let scratch = lowered.args.iter().filter(|a| matches!(a, KernelArg::Scratch { .. })).collect::<Vec<_>>();
    let [KernelArg::Scratch { count, .. }] = scratch[..] else { panic!("one ring: {scratch:?}") };
    assert_eq!(count.as_int(), Some(3 * 34 * 16), "three padded rows");
}
