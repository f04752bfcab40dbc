//! Programs and the numbers they must give.

use super::*;
use crate::loops::print::tests::sample;

#[test]
fn the_printed_sample_runs() {
    let p = sample();
    let mut seen = vec![];
    let mut interp = Interp::new(&p);
    interp.supply(
        "my_op",
        Box::new(|c| {
            seen.push(c.scalar(1)?.to_i64());
            c.bytes_mut(0)?[..4].copy_from_slice(&9f32.to_le_bytes());
            Ok(Some(Scalar { dtype: DType::I32, bits: 7 }))
        }),
    );
    let x: Vec<f32> = (0..11).map(|i| i as f32).collect();
    let n = ArgVal::Scalar(Scalar::i64(11));
    let mut args = [ArgVal::buf(&x), ArgVal::buf(&[0f32; 11]), n, ArgVal::Table(vec![])];
    let status = interp.call(p.interface.entries.run.expect("the sample has one"), &mut args);
    assert_eq!(status, Ok(Some(Scalar { dtype: DType::I32, bits: 7 })));
    let mut want: Vec<f32> = x.iter().map(|v| v * 2.0 + 0.5).collect();
    want[8] = 9.0;
    assert_eq!(args[1].elements::<f32>(), want);
    drop(interp);
    assert_eq!(seen, [11]);
}
