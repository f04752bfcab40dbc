//! What the tests of kernel IR share: a kernel with one of everything, random kernels, snapshots.

mod naive;
mod random;

pub(super) use random::{SIZES, kernels};

/// A kernel in text that uses each construct once.
pub(super) const SAMPLE: &str = r#"kernel @"conv/relu" {
  doc "Conv_0, Relu_1"
  dim h in 1..=1024 about 224
  dim k in ..=h
  dim n in 0..
  dim w in ..
  in x: f32[n, 3, h, w]
  const k: f32[4, 3, 3, 3] = elided "87ddbe1e06ea8fcd"
  const `b/1`: f32[4] = [0.5, -1.0, inf, 1e20]
  in index: i64[n]
  c[m in n, o in 4, i in h, j in w]: f32 = sum(q in 3, r in 3, s in 3) from `b/1`[o] of x.padded(0.0)[m, q, i + r - 1, j + s - 1] * k[o, q, r, s]
  y[m2 in n, o2 in 4, i2 in h, j2 in w]: f32 = max(c[m2, o2, i2, j2], 0.0)
  t[i3 in n]: f16 = f16(select(index[i3] < int(floordiv(h, 2)), y[min(index[i3], 3i64), 0, i3, 0], f32(int(2*i3))) - (1.0 - 2.0) * 3.0)
  all[]: bool = all() of true
  out y, t, all
  check 3 [i4 in n]: and(index[i4] >= 0i64, all[])
  schedule {
    stage y acc c at t 1: loops [m2 1, i2 1, o2 8, j2 ~6, o2 4?], over [q 1, r 3, s 3], vector o2 4
    stage t: loops [i3 1], parallel
    stage all: loops []
  }
}
"#;

/// Compares a text with `snapshots/kernel/NAME.snap`; `INSTA_UPDATE=always` rewrites that.
pub(super) fn snapshot(name: &str, text: &str) {
    let settings = || {
        let mut s = insta::Settings::clone_current();
        s.set_snapshot_path("../../../../snapshots/kernel");
        s.set_prepend_module_to_snapshot(false);
        s.set_omit_expression(true);
        s
    };
    settings().bind(|| insta::assert_snapshot!(name, text));
}
