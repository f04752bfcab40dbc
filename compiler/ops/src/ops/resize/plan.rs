//! By how much each axis is resized: what `infer`, `extents` and `lower` of Resize agree on.
//!
//! Holds: an axis without a factor keeps its extent and its elements.

use crate::prelude::*;

/// What the factor of an axis comes from.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Factor {
    /// A constant scale.
    Scale(f32),
    /// Element k of the input `scales`.
    Scales(usize),
    /// Element k of the input `sizes`, which is the output's extent.
    Size(usize),
    /// The least or greatest of the ratios of `sizes` to extents; k is its own element of `sizes`.
    Policy(usize),
}

/// What the inputs and attributes of a node say, as far as it is known.
pub(super) struct Plan {
    /// The input's extents.
    pub(super) shape: Vec<Sym>,
    /// Factor of each axis of the input; none: it stays as it is.
    pub(super) factors: Vec<Option<Factor>>,
    /// The axes that elements of `roi`, `scales` and `sizes` are about, in their order.
    pub(super) axes: Vec<usize>,
    /// The elements of `sizes`, if known.
    pub(super) sizes: Option<Vec<Sym>>,
    /// Axes that have to keep their extent, which their factor (data) must agree with.
    pub(super) kept: Vec<(usize, Factor)>,
}

/// What there is to plan with.
pub(super) struct Known<'a> {
    /// Attributes.
    pub(super) attrs: &'a Attrs,
    /// The input's extents.
    pub(super) shape: Vec<Sym>,
    /// `scales`, if given: its elements, if constants.
    pub(super) scales: Option<Option<Vec<f32>>>,
    /// The elements of `sizes`, if known.
    pub(super) sizes: Option<Vec<Sym>>,
    /// The elements of `roi`, if constants.
    pub(super) roi: Option<Vec<f64>>,
    /// What is known of symbols.
    pub(super) ranges: onnxc_base::Ranges,
}

/// The axes that the inputs are about; an axis that is out of range or repeated is given back as an error.
pub(super) fn axes(attrs: &Attrs, rank: usize) -> std::result::Result<Vec<usize>, i64> {
    let Some(given) = attrs.ints("axes") else { return Ok((0..rank).collect()) };
    let mut axes = vec![];
    for &a in given {
        let at = if a < 0 { a.saturating_add(rank as i64) } else { a };
        match usize::try_from(at) {
            Ok(at) if at < rank && !axes.contains(&at) => axes.push(at),
            _ => return Err(a),
        }
    }
    Ok(axes)
}

impl Plan {
    /// Plans a node whose axes and counts of elements `infer` has checked.
    pub(super) fn new(known: Known<'_>) -> Plan {
        let rank = known.shape.len();
        let axes = axes(known.attrs, rank).unwrap_or_default();
        let mut plan = Plan {
            shape: known.shape.clone(),
            factors: vec![None; rank],
            axes,
            sizes: known.sizes.clone(),
            kept: vec![],
        };
        // Interpolation is along spatial axes; which those are matters only if the factors are data.
        let inner = known.attrs.str("mode") != Some("nearest") && rank >= 4 && known.attrs.ints("axes").is_none();
        for (k, axis) in plan.axes.clone().into_iter().enumerate() {
            let factor = known.factor(k, axis);
            let data = matches!(factor, Some(Factor::Scales(_) | Factor::Size(_)));
            match factor {
                Some(f) if inner && axis < 2 && data => plan.kept.push((axis, f)),
                f => plan.factors[axis] = f,
            }
        }
        plan
    }

    /// True if some axis is resized.
    pub(super) fn resizes(&self) -> bool {
        self.factors.iter().any(Option::is_some)
    }
}

impl Known<'_> {
    fn factor(&self, k: usize, axis: usize) -> Option<Factor> {
        let crops = self.crops(k);
        match &self.scales {
            Some(Some(scales)) if scales[k] == 1.0 && !crops => None,
            Some(Some(scales)) => Some(Factor::Scale(scales[k])),
            Some(None) => Some(Factor::Scales(k)),
            None if self.attrs.str("policy") != Some("stretch") => Some(Factor::Policy(k)),
            None => {
                let size = self.sizes.as_ref().map(|s| &s[k]);
                let same = size.and_then(|s| self.ranges.prove_eq(s, &self.shape[axis])) == Some(true);
                (!same || crops).then_some(Factor::Size(k))
            }
        }
    }

    /// True if only a part of the axis is taken, as far as is known.
    fn crops(&self, k: usize) -> bool {
        if self.attrs.str("coords") != Some("tf_crop_and_resize") {
            return false;
        }
        let whole = self.roi.as_ref().is_some_and(|r| r[k] == 0.0 && r[r.len() / 2 + k] == 1.0);
        !whole
    }
}
