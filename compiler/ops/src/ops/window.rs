//! The geometry of operators that slide a window over spatial axes (Conv, the pools, ConvTranspose): strides, dilations,
//! pads, and the extents that come of them.
//!
//! Holds: along each axis, tap `r` of output `o` reads position `o * stride + r * dilation - begin` of the input; a
//! position outside of the input is padding. Nothing depends on the opset: the rules of `auto_pad` and of `ceil_mode`
//! are the same in every version.
//!
//! Does NOT know what is computed in the window.

use crate::prelude::*;

/// A window over the spatial axes; one element per axis in each list.
pub(super) struct Window {
    /// Taps.
    pub(super) kernel: Vec<Sym>,
    /// Step of the window, at least 1.
    pub(super) stride: Vec<i64>,
    /// Distance of taps, at least 1.
    pub(super) dilation: Vec<i64>,
    /// Padding before the input.
    pub(super) begin: Vec<Sym>,
    /// Padding after the input.
    pub(super) end: Vec<Sym>,
    /// Extents of the output.
    pub(super) out: Vec<Sym>,
    /// True if windows may stick out behind the padding, too.
    pub(super) ceil: bool,
}

const AUTO_PAD: &[&str] = &["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"];

/// Reads the attributes of a window: `auto_pad`, `pads`, `strides`, and those named. Lists that are absent stay absent:
/// their defaults need the rank.
pub(super) fn import_window(n: &mut NodeReader, lists: &[&str], ceil: bool) -> Result<Attrs> {
    let mut attrs = Attrs::default().with("auto_pad", Attr::Str(n.choice("auto_pad", AUTO_PAD)?));
    for name in ["pads", "strides"].iter().chain(lists) {
        if let Some(v) = n.opt_ints(name)? {
            attrs.set(name, Attr::Ints(v));
        }
    }
    if ceil {
        attrs.set("ceil_mode", Attr::Int(n.int("ceil_mode", 0)?));
    }
    Ok(attrs)
}

/// A list attribute with a default for each of `count` elements, all at least `least`.
pub(super) fn list(attrs: &Attrs, name: &str, count: usize, default: i64, least: i64) -> Result<Vec<i64>> {
    let Some(v) = attrs.ints(name) else { return Ok(vec![default; count]) };
    let wrong = |found: String, expected: String| {
        Err(Diagnostic::error("E2040", format!("attribute '{name}' {found}")).expected(expected))
    };
    if v.len() != count {
        return wrong(format!("has {} elements", v.len()), format!("{count}, for the spatial axes of input 0"));
    }
    match v.iter().find(|&&e| e < least) {
        Some(e) => wrong(format!("has the element {e}"), format!("at least {least}")),
        None => Ok(v.to_vec()),
    }
}

impl Window {
    /// The window of a node over an input of spatial extents `spatial`. Errors name no node.
    pub(super) fn new(attrs: &Attrs, spatial: &[Sym], kernel: Vec<Sym>) -> Result<Window> {
        let n = spatial.len();
        if kernel.len() != n {
            let found = format!("the window has {} axes, the input {n} spatial ones", kernel.len());
            return Err(Diagnostic::error("E2041", found).expected("one extent of the window for each spatial axis"));
        }
        let stride = list(attrs, "strides", n, 1, 1)?;
        let dilation = list(attrs, "dilations", n, 1, 1)?;
        let pads = list(attrs, "pads", 2 * n, 0, i64::MIN)?;
        let ceil = attrs.int("ceil_mode") == Some(1);
        let auto = attrs.str("auto_pad").unwrap_or("NOTSET");
        let mut w = Window { kernel, stride, dilation, begin: vec![], end: vec![], out: vec![], ceil };
        for (axis, x) in spatial.iter().enumerate() {
            let (begin, end, out) = match auto {
                "SAME_UPPER" | "SAME_LOWER" => w.same(axis, x, auto == "SAME_UPPER"),
                "VALID" => w.explicit(axis, x, Sym::int(0), Sym::int(0)),
                _ => w.explicit(axis, x, Sym::int(pads[axis]), Sym::int(pads[n + axis])),
            };
            w.begin.push(begin);
            w.end.push(end);
            w.out.push(out);
        }
        Ok(w)
    }

    /// Distance of the first and the last tap, and 1.
    fn span(&self, axis: usize) -> Sym {
        (&self.kernel[axis] - 1) * self.dilation[axis] + 1
    }

    /// As many windows as strides fit, padded as evenly as can be.
    fn same(&self, axis: usize, x: &Sym, upper: bool) -> (Sym, Sym, Sym) {
        let stride = Sym::int(self.stride[axis]);
        let out = x.ceildiv(&stride);
        let pad = Sym::max(&((&out - 1) * &stride + self.span(axis) - x), &Sym::int(0));
        let less = pad.floordiv(&Sym::int(2));
        let more = &pad - &less;
        if upper { (less, more, out) } else { (more, less, out) }
    }

    /// As many windows as fit; with `ceil`, also one that sticks out, if it begins within the input or before it.
    fn explicit(&self, axis: usize, x: &Sym, begin: Sym, end: Sym) -> (Sym, Sym, Sym) {
        let stride = Sym::int(self.stride[axis]);
        let room = x + &begin + &end - self.span(axis);
        if !self.ceil {
            let out = room.floordiv(&stride) + 1;
            return (begin, end, out);
        }
        let out = room.ceildiv(&stride) + 1;
        // It begins there in any case if (room + stride - 1) <= (x + begin - 1).
        let slack = self.span(axis) - &end - &stride;
        let within = slack.as_int().is_some_and(|s| s >= 0);
        let last = (x + &begin - 1).floordiv(&stride) + 1;
        let out = if within { out } else { Sym::min(&out, &last) };
        (begin, end, out)
    }

    /// The position of the input that each tap reads.
    pub(super) fn source(&self, out: &[Sym], taps: &[Sym]) -> Vec<Sym> {
        (0..out.len()).map(|a| &out[a] * self.stride[a] + &taps[a] * self.dilation[a] - &self.begin[a]).collect()
    }

    /// True if a tap may read outside of the input.
    pub(super) fn pads(&self) -> bool {
        self.ceil || self.begin.iter().chain(&self.end).any(|p| !p.is_zero())
    }
}

/// The same for a node in `infer`: errors name the node, and an input that is smaller than the window is refused.
pub(super) fn infer_window(cx: &mut InferCx, spatial: &[Sym], kernel: Vec<Sym>) -> Result<Window> {
    let window = Window::new(cx.attrs(), spatial, kernel).map_err(|d| at_node(cx, d))?;
    for (axis, out) in window.out.iter().enumerate() {
        not_negative(cx, out, &format!("the window is larger than the input along spatial axis {axis}"))?;
    }
    Ok(window)
}

/// An extent that must not be negative: an error if it is, a guard if it can't be told.
pub(super) fn not_negative(cx: &mut InferCx, extent: &Sym, what: &str) -> Result<()> {
    if cx.ranges().prove_le(&Sym::int(0), extent) == Some(true) {
        return Ok(());
    }
    if let Some(v) = extent.as_int() {
        return Err(cx.error("E2042", format!("{what}: an extent of {v}")).expected("at least 0"));
    }
    cx.unify(&extent.min(&Sym::int(0)), &Sym::int(0), what).map(|_| ())
}

/// An error that names the node.
pub(super) fn at_node(cx: &InferCx, mut d: Diagnostic) -> Diagnostic {
    d.place = cx.error("", "").place;
    d
}

/// Input 0 as (batch, channels, spatial axes...); an error for a lower rank.
pub(super) fn spatial_input(cx: &InferCx, class: super::elementwise::Class, least: usize) -> Result<(DType, Vec<Sym>)> {
    let x = super::elementwise::tensor(cx, 0, class)?;
    if x.rank() < least {
        return Err(cx
            .error("E2041", format!("input 0 has rank {}", x.rank()))
            .expected(format!("at least {least}: batch, channels, spatial axes")));
    }
    Ok((x.dtype, x.shape))
}
