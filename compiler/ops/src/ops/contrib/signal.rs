//! Rfft and Irfft: spectra of real signals and back, along the last axis, by ONNX's DFT.

use super::{DOMAIN, emit, ints, need};
use crate::prelude::*;

/// Rfft: [.., n] to [.., n / 2 + 1, 2].
pub static RFFT: OpDef = OpDef::composed(DOMAIN, "Rfft", &[(1, import_rfft)]);

/// Irfft: [.., n / 2 + 1, 2] to [.., n].
pub static IRFFT: OpDef = OpDef::composed(DOMAIN, "Irfft", &[(1, import_irfft)]);

/// Only what ONNX Runtime has, too: one axis, half a spectrum, no other scale.
fn plain(n: &mut NodeReader) -> Result<()> {
    for (name, default, only) in [("signal_ndim", 1, 1), ("onesided", 1, 1), ("normalized", 0, 0)] {
        let v = n.int(name, default)?;
        if v != only {
            return Err(n.error("E2020", format!("attribute '{name}' is {v}")).expected(format!("{only}")));
        }
    }
    Ok(())
}

fn import_rfft(n: &mut NodeReader) -> Result<Attrs> {
    plain(n)?;
    let (x, last) = (need(n, 0)?, ints(n, "last", &[-1]));
    let x = emit(n, "Unsqueeze", &[], &[x, last])?;
    let axis = n.constant("axis", Tensor::scalar(-2i64));
    let y = n.emit_one("DFT", &[("onesided", Attr::Int(1))], &[Some(x), None, Some(axis)])?;
    n.become_values(vec![y])
}

fn import_irfft(n: &mut NodeReader) -> Result<Attrs> {
    plain(n)?;
    let (x, axis) = (need(n, 0)?, n.constant("axis", Tensor::scalar(-2i64)));
    let attrs = [("onesided", Attr::Int(1)), ("inverse", Attr::Int(1))];
    let y = n.emit_one("DFT", &attrs, &[Some(x), None, Some(axis)])?;
    let last = ints(n, "last", &[-1]);
    let y = emit(n, "Squeeze", &[], &[y, last])?;
    n.become_values(vec![y])
}

#[cfg(test)]
mod tests {
    #[test]
    fn stored() {
        crate::testing::check_stored("contrib_signal");
    }
}
