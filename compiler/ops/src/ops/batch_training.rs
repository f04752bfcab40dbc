//! BatchNormalization in training mode: by the statistics of its own batch, which also move the running ones.
//!
//! Outputs after the first: the running mean and variance, `momentum` of the old plus the rest of the new; before 14 also
//! the batch's own. Variances are those of the population.

use super::axes::Axes;
use super::elementwise::*;
use super::moments::moments;
use crate::prelude::*;

/// Has the import found training mode?
pub(super) fn is_on(attrs: &Attrs) -> bool {
    attrs.int("training") == Some(1)
}

pub(super) fn lower(cx: &mut ComputeCx) -> Result<()> {
    let [x, scale, bias, mean, variance] = [0, 1, 2, 3, 4].map(|i| Operand::new(cx, i));
    let (d, shape, per) = (x.wide(), cx.shape(0), cx.shape(1));
    let batch: Vec<i64> = (0..shape.len() as i64).filter(|&a| a != 1).collect();
    let axes = Axes::from_list(shape.len(), &batch).expect("they are counted from the rank").keeping(false);
    let m = moments(cx.k, d, &shape, &axes, |i| x.at(i));
    let attr = |name: &str| number(d, f64::from(cx.attrs().float(name).unwrap_or(0.0)));
    let (eps, momentum) = (attr("epsilon"), attr("momentum"));
    let inverse = cx.k.map("inverse", d, &per, |_, c| number(d, 1.0) / unary(UnOp::Sqrt, load(m.variance, c) + eps));
    map_from(cx, d, |i| {
        let c = &i[1..2];
        (x.at(i) - load(m.mean, c)) * load(inverse, c) * scale.at_as(d, c) + bias.at_as(d, c)
    });
    let outputs = [("mean_out", m.mean, Some(mean)), ("variance_out", m.variance, Some(variance))];
    let saved = [("saved_mean", m.mean, None), ("saved_variance", m.variance, None)];
    for (k, (name, new, old)) in outputs.into_iter().chain(saved).enumerate() {
        if k + 1 >= cx.node().outputs.len() {
            break;
        }
        let (to, own) = (cx.output_type(k + 1).dtype, number(d, 1.0) - momentum.clone());
        let out = cx.k.map(name, to, &per, |_, c| match &old {
            Some(old) => cast(d, to, old.at_as(d, c) * momentum.clone() + load(new, c) * own),
            None => cast(d, to, load(new, c)),
        });
        cx.set_output(k + 1, out);
    }
    Ok(())
}
