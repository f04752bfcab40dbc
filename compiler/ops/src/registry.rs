//! The list of all operators, and finding one by name. Adding an operator is one line here.

use crate::custom::CustomOp;
use crate::{OpDef, ops};
use onnxc_ir::graph::OpName;
use std::sync::Arc;

/// Every built-in operator: sorted by domain, then name (a test says so).
#[rustfmt::skip]
pub static OPS: &[&OpDef] = &[
    &ops::unary::ABS,
    &ops::unary::ACOS,
    &ops::unary::ACOSH,
    &ops::binary::ADD,
    &ops::affine_grid::DEF,
    &ops::binary::AND,
    &ops::arg::ARG_MAX,
    &ops::arg::ARG_MIN,
    &ops::unary::ASIN,
    &ops::unary::ASINH,
    &ops::unary::ATAN,
    &ops::unary::ATANH,
    &ops::attention::ATTENTION,
    &ops::pool::AVERAGE,
    &ops::channel_norm::BATCH_NORM,
    &ops::random::BERNOULLI,
    &ops::cast::BIT_CAST,
    &ops::binary::BIT_SHIFT,
    &ops::binary::BITWISE_AND,
    &ops::unary::BITWISE_NOT,
    &ops::binary::BITWISE_OR,
    &ops::binary::BITWISE_XOR,
    &ops::windows::BLACKMAN,
    &ops::cast::CAST,
    &ops::cast::CAST_LIKE,
    &ops::causal_conv::DEF,
    &ops::unary::CEIL,
    &ops::activation::CELU,
    &ops::pad::CENTER_CROP_PAD,
    &ops::clip::DEF,
    &ops::col2im::DEF,
    &ops::compress::COMPRESS,
    &ops::concat::CONCAT,
    &ops::sequence_split::CONCAT,
    &ops::fill::CONSTANT_OF_SHAPE,
    &ops::conv::DEF,
    &ops::quant::contract::CONV_INTEGER,
    &ops::conv_transpose::DEF,
    &ops::unary::COS,
    &ops::unary::COSH,
    &ops::cumulative::CUM_PROD,
    &ops::cumulative::CUM_SUM,
    &ops::dft::DFT,
    &ops::deform_conv::DEF,
    &ops::blocks::DEPTH_TO_SPACE,
    &ops::quant::linear::DEQUANTIZE,
    &ops::det::DEF,
    &ops::binary::DIV,
    &ops::identity::DROPOUT,
    &ops::quant::linear::DYNAMIC,
    &ops::einsum::DEF,
    &ops::activation::ELU,
    &ops::binary::EQUAL,
    &ops::unary::ERF,
    &ops::unary::EXP,
    &ops::expand::EXPAND,
    &ops::fill::EYE_LIKE,
    &ops::reshape::FLATTEN,
    &ops::unary::FLOOR,
    &ops::rnn::GRU,
    &ops::gather::GATHER,
    &ops::gather::GATHER_ELEMENTS,
    &ops::gather::GATHER_ND,
    &ops::activation::GELU,
    &ops::gemm::DEF,
    &ops::global_pool::AVERAGE,
    &ops::global_pool::LP,
    &ops::global_pool::MAX,
    &ops::binary::GREATER,
    &ops::binary::GREATER_OR_EQUAL,
    &ops::grid_sample::DEF,
    &ops::channel_norm::GROUP_NORM,
    &ops::windows::HAMMING,
    &ops::windows::HANN,
    &ops::activation::HARD_SIGMOID,
    &ops::activation::HARD_SWISH,
    &ops::softmax::HARDMAX,
    &ops::identity::IDENTITY,
    &ops::control::IF,
    &ops::channel_norm::INSTANCE_NORM,
    &ops::unary::IS_INF,
    &ops::unary::IS_NAN,
    &ops::channel_norm::LRN,
    &ops::rnn::LSTM,
    &ops::layer_norm::LAYER_NORM,
    &ops::activation::LEAKY_RELU,
    &ops::binary::LESS,
    &ops::binary::LESS_OR_EQUAL,
    &ops::linear_attention::DEF,
    &ops::unary::LOG,
    &ops::softmax::LOG_SOFTMAX,
    &ops::control::LOOP,
    &ops::layer_norm::LP_NORM,
    &ops::pool::LP,
    &ops::matmul::DEF,
    &ops::quant::contract::MATMUL_INTEGER,
    &ops::variadic::MAX,
    &ops::max_pool::DEF,
    &ops::max_roi_pool::DEF,
    &ops::max_unpool::DEF,
    &ops::variadic::MEAN,
    &ops::layer_norm::MEAN_VARIANCE_NORM,
    &ops::mel_weights::DEF,
    &ops::variadic::MIN,
    &ops::activation::MISH,
    &ops::binary::MOD,
    &ops::binary::MUL,
    &ops::random::MULTINOMIAL,
    &ops::unary::NEG,
    &ops::losses::NEGATIVE_LOG_LIKELIHOOD,
    &ops::nms::DEF,
    &ops::compress::NON_ZERO,
    &ops::unary::NOT,
    &ops::trilu::ONE_HOT,
    &ops::optional::OPTIONAL,
    &ops::optional::GET,
    &ops::optional::HAS,
    &ops::binary::OR,
    &ops::binary::PRELU,
    &ops::pad::PAD,
    &ops::pow::DEF,
    &ops::quant::contract::QLINEAR_CONV,
    &ops::quant::contract::QLINEAR_MATMUL,
    &ops::quant::linear::QUANTIZE,
    &ops::layer_norm::RMS_NORM,
    &ops::rnn::RNN,
    &ops::random::NORMAL,
    &ops::random::NORMAL_LIKE,
    &ops::random::UNIFORM,
    &ops::random::UNIFORM_LIKE,
    &ops::fill::RANGE,
    &ops::unary::RECIPROCAL,
    &ops::reduce::REDUCE_L1,
    &ops::reduce::REDUCE_L2,
    &ops::reduce::REDUCE_LOG_SUM,
    &ops::reduce::REDUCE_LOG_SUM_EXP,
    &ops::reduce::REDUCE_MAX,
    &ops::reduce::REDUCE_MEAN,
    &ops::reduce::REDUCE_MIN,
    &ops::reduce::REDUCE_PROD,
    &ops::reduce::REDUCE_SUM,
    &ops::reduce::REDUCE_SUM_SQUARE,
    &ops::strings::FULL_MATCH,
    &ops::activation::RELU,
    &ops::reshape::RESHAPE,
    &ops::resize::RESIZE,
    &ops::trilu::REVERSE_SEQUENCE,
    &ops::roi_align::DEF,
    &ops::rotary::DEF,
    &ops::unary::ROUND,
    &ops::dft::STFT,
    &ops::control::SCAN,
    &ops::scatter::SCATTER,
    &ops::scatter::SCATTER_ELEMENTS,
    &ops::scatter::SCATTER_ND,
    &ops::activation::SELU,
    &ops::sequence::AT,
    &ops::sequence::CONSTRUCT,
    &ops::sequence::EMPTY,
    &ops::sequence::ERASE,
    &ops::sequence::INSERT,
    &ops::sequence::LENGTH,
    &ops::sequence_map::DEF,
    &ops::shape::SHAPE,
    &ops::activation::SHRINK,
    &ops::activation::SIGMOID,
    &ops::unary::SIGN,
    &ops::contrib::norm::SIMPLIFIED,
    &ops::unary::SIN,
    &ops::unary::SINH,
    &ops::shape::SIZE,
    &ops::slice::DEF,
    &ops::softmax::SOFTMAX,
    &ops::losses::SOFTMAX_CROSS_ENTROPY,
    &ops::activation::SOFTPLUS,
    &ops::activation::SOFTSIGN,
    &ops::blocks::SPACE_TO_DEPTH,
    &ops::concat::SPLIT,
    &ops::sequence_split::SPLIT,
    &ops::unary::SQRT,
    &ops::reshape::SQUEEZE,
    &ops::strings::CONCAT,
    &ops::strings::NORMALIZER,
    &ops::strings::SPLIT,
    &ops::binary::SUB,
    &ops::variadic::SUM,
    &ops::swiglu::DEF,
    &ops::activation::SWISH,
    &ops::unary::TAN,
    &ops::unary::TANH,
    &ops::tensor_scatter::DEF,
    &ops::tfidf::DEF,
    &ops::activation::THRESHOLDED_RELU,
    &ops::expand::TILE,
    &ops::topk::DEF,
    &ops::transpose::DEF,
    &ops::trilu::TRILU,
    &ops::compress::UNIQUE,
    &ops::reshape::UNSQUEEZE,
    &ops::resize::UPSAMPLE,
    &ops::select::DEF,
    &ops::binary::XOR,
    &ops::ml::features::EXTRACTOR,
    &ops::ml::scale::BINARIZER,
    &ops::maps::CAST,
    &ops::maps::CATEGORIES,
    &ops::maps::DICT,
    &ops::ml::features::VECTORIZER,
    &ops::ml::scale::IMPUTER,
    &ops::ml::encode::LABEL,
    &ops::ml::linear::CLASSIFIER,
    &ops::ml::linear::REGRESSOR,
    &ops::ml::scale::NORMALIZER,
    &ops::ml::encode::ONE_HOT,
    &ops::ml::svm::CLASSIFIER,
    &ops::ml::svm::REGRESSOR,
    &ops::ml::scale::SCALER,
    &ops::ml::tree::flat::DEF,
    &ops::ml::tree::classic::CLASSIFIER,
    &ops::ml::tree::classic::REGRESSOR,
    &ops::maps::ZIP,
    &ops::attention::FLEX,
    &ops::optimisers::ADAGRAD,
    &ops::optimisers::ADAM,
    &ops::gradient::DEF,
    &ops::optimisers::MOMENTUM,
    &ops::contrib::attend::ATTENTION,
    &ops::contrib::bias::BIAS_ADD,
    &ops::contrib::bias::BIAS_GELU,
    &ops::contrib::bias::BIAS_SPLIT_GELU,
    &ops::contrib::misc::DISTANCES,
    &ops::contrib::gated::CAUSAL_CONV,
    &ops::contrib::misc::COMPLEX_MUL,
    &ops::contrib::misc::COMPLEX_MUL_CONJ,
    &ops::contrib::misc::CONV_TRANSPOSE,
    &ops::contrib::crop::DEF,
    &ops::contrib::attend::DECODER_MULTI_HEAD,
    &ops::contrib::attend::DECODER_SELF,
    &ops::quant::linear::MS_DEQUANTIZE,
    &ops::rnn::DYNAMIC_LSTM,
    &ops::contrib::quantised::DYNAMIC_MATMUL,
    &ops::contrib::norm::EMBED_LAYER,
    &ops::contrib::renamed::EXPAND_DIMS,
    &ops::contrib::bias::FAST_GELU,
    &ops::contrib::fused::CONV,
    &ops::contrib::fused::GEMM,
    &ops::contrib::fused_matmul::DEF,
    &ops::contrib::fused::MATMUL,
    &ops::contrib::gated::GATED_ADD,
    &ops::contrib::gated::GATED_NORM,
    &ops::contrib::relative::GATED,
    &ops::contrib::gather_quantised::DEF,
    &ops::contrib::renamed::GATHER_ND,
    &ops::contrib::renamed::GELU,
    &ops::contrib::position::GEMMA,
    &ops::contrib::renamed::GRID_SAMPLE,
    &ops::contrib::norm::GROUP,
    &ops::contrib::grouped::DEF,
    &ops::contrib::inverse::DEF,
    &ops::contrib::signal::IRFFT,
    &ops::contrib::gated::LINEAR_ATTENTION,
    &ops::contrib::gated::LINEAR_GATE,
    &ops::contrib::position::MROTARY,
    &ops::contrib::bnb4::DEF,
    &ops::contrib::quantised::MATMUL_TO_FLOAT,
    &ops::contrib::nbits::DEF,
    &ops::contrib::experts::MOE,
    &ops::contrib::attend::MULTI_HEAD,
    &ops::contrib::channels_last::CONV,
    &ops::contrib::channels_last::FUSED_CONV,
    &ops::contrib::channels_last::MAX_POOL,
    &ops::contrib::packed::ATTENTION,
    &ops::contrib::packed::MULTI_HEAD,
    &ops::contrib::renamed::PAD,
    &ops::contrib::quantised::ATTENTION,
    &ops::contrib::quantised::EMBED_LAYER,
    &ops::contrib::quantised::GEMM,
    &ops::contrib::quantised::ADD,
    &ops::contrib::quantised::AVERAGE_POOL,
    &ops::contrib::quantised::CONCAT,
    &ops::contrib::channels_last::QUANTISED_CONV,
    &ops::contrib::quantised::GLOBAL_AVERAGE_POOL,
    &ops::contrib::quantised::LEAKY_RELU,
    &ops::contrib::quantised::MUL,
    &ops::contrib::quantised::REDUCE_MEAN,
    &ops::contrib::quantised::SIGMOID,
    &ops::contrib::quantised::SOFTMAX,
    &ops::contrib::quantised::WHERE,
    &ops::contrib::experts::QMOE,
    &ops::quant::linear::MS_QUANTIZE,
    &ops::contrib::renamed::QUICK_GELU,
    &ops::contrib::renamed::RANGE,
    &ops::contrib::relative::DEF,
    &ops::contrib::packed::REMOVE,
    &ops::contrib::packed::RESTORE,
    &ops::contrib::signal::RFFT,
    &ops::contrib::position::ROTARY,
    &ops::contrib::gated::SCALED_SILU,
    &ops::contrib::norm::SKIP_GROUP,
    &ops::contrib::norm::SKIP_LAYER,
    &ops::contrib::norm::SKIP_SIMPLIFIED,
    &ops::contrib::sparse::DEF,
    &ops::contrib::fused_matmul::TRANSPOSE,
    &ops::contrib::renamed::TRILU,
    &ops::contrib::misc::UNIQUE,
    &ops::attention::CACHE,
    &ops::contrib::mask::DEF,
    &ops::attention::SCORES,
    &ops::attention::VALUES,
    &ops::attention::WEIGHTS,
    &ops::gradient::AVERAGE,
    &ops::gradient::CONV_INPUT,
    &ops::gradient::CONV_WEIGHTS,
    &ops::random::DROPOUT_TRAINING,
    &ops::contrib::experts::PRODUCT,
    &ops::contrib::grouped::CACHE,
    &ops::contrib::grouped::MASK,
    &ops::contrib::grouped::POSITIONS,
    &ops::integer::pointwise::ADD,
    &ops::integer::pool::AVERAGE,
    &ops::integer::contract::CONV,
    &ops::integer::contract::MATMUL,
    &ops::integer::pointwise::MUL,
    &ops::integer::softmax::SOFTMAX,
    &ops::integer::pointwise::TABLE,
    &ops::sequence_map::ITEM,
    &ops::attention::MERGE,
    &ops::contrib::packed::MASK,
    &ops::ml::svm_parts::PROBABILITY,
    &ops::ml::post::DEF,
    &ops::ml::svm_parts::RADIAL,
    &ops::rnn::BIAS,
    &ops::rnn::INPUT,
    &ops::rnn::STEPS,
    &ops::rnn::WEIGHTS,
    &ops::reorder::DEF,
    &ops::contrib::position::POSITIONS,
    &ops::contrib::sparse::MASK,
    &ops::gradient::SUM_TO,
    &ops::ml::tree::routine::DEF,
];

/// Built-in operators plus those of the user.
#[derive(Clone, Default)]
pub struct Registry {
    custom: Vec<Arc<dyn CustomOp>>,
}

/// An operator found.
#[derive(Clone)]
pub enum OpRef {
    /// A built-in one.
    Builtin(&'static OpDef),
    /// One of the user's.
    Custom(Arc<dyn CustomOp>),
}

impl Registry {
    /// The built-in operators.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an operator of the user; it comes before a built-in one of the same name.
    pub fn add(&mut self, op: Arc<dyn CustomOp>) {
        self.custom.push(op);
    }

    /// Finds an operator.
    pub fn find(&self, name: &OpName) -> Option<OpRef> {
        if let Some(c) = self.custom.iter().rev().find(|c| c.op_name() == *name) {
            return Some(OpRef::Custom(c.clone()));
        }
        built_in(name).map(OpRef::Builtin)
    }
}

/// A built-in operator, or one of those that stand for calls of the runtime.
pub fn built_in(name: &OpName) -> Option<&'static OpDef> {
    if name.domain == crate::handles::DOMAIN
        && let Some(d) =
            [&crate::handles::BOX, &crate::handles::UNBOX, &crate::handles::CALL].iter().find(|d| d.name == name.name)
    {
        return Some(d);
    }
    OPS.iter().find(|o| o.domain == name.domain && o.name == name.name).copied()
}

#[cfg(test)]
mod tests {
    use super::OPS;
    use crate::NodeReader;
    use onnxc_ir::graph::{Attr, Graph, OpName};
    use onnxc_onnx::AttributeKind;
    use onnxc_onnx::checker::schemas::{State, versions};
    use std::collections::BTreeMap;

    #[test]
    fn operators_are_sorted_and_versions_ascend() {
        assert!(OPS.is_sorted_by(|a, b| (a.domain, a.name) < (b.domain, b.name)));
        for op in OPS {
            assert!(op.versions.is_sorted_by(|a, b| a.0 < b.0) && !op.versions.is_empty(), "{}", op.name);
        }
    }

    #[test]
    fn every_version_of_the_standard_is_there() {
        let mut wrong = vec![];
        // Domains of others, and what others put into ONNX's own, aren't in the standard.
        for op in OPS.iter().filter(|op| !versions(op.domain, op.name).is_empty()) {
            let ours: Vec<i64> = op.versions.iter().map(|v| v.0).collect();
            // A deprecated version may be read (models have it) or not.
            let all = || versions(op.domain, op.name).iter();
            let must: Vec<i64> = all().filter(|s| s.state != State::Deprecated).map(|s| s.since).collect();
            let may: Vec<i64> = all().map(|s| s.since).collect();
            if !must.iter().all(|v| ours.contains(v)) || !ours.iter().all(|v| may.contains(v)) {
                wrong.push(format!("{}: {ours:?}, the standard has {must:?}", op.name));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// Imports each version with every attribute that the standard gives it, of plain values; whatever an import
    /// refuses is no matter here.
    #[test]
    fn every_attribute_of_the_standard_is_read() {
        let mut unread = vec![];
        for op in OPS {
            for schema in versions(op.domain, op.name) {
                let Some((_, import)) = op.versions.iter().find(|v| v.0 == schema.since) else { continue };
                let plain = |kind| match kind {
                    AttributeKind::Int => Some(Attr::Int(1)),
                    AttributeKind::Ints => Some(Attr::Ints(vec![1])),
                    AttributeKind::Float => Some(Attr::Float(1.0)),
                    AttributeKind::Floats => Some(Attr::Floats(vec![1.0])),
                    _ => None,
                };
                let attrs =
                    schema.attributes.iter().filter_map(|(n, a)| Some((n.to_string(), plain(a.kind)?))).collect();
                let (mut graph, inputs) = (Graph::default(), vec![None; schema.inputs.min]);
                let name = OpName { domain: op.domain.into(), name: op.name.into() };
                let (outputs, none) = (schema.outputs.min, BTreeMap::new());
                let mut n = NodeReader::new(&mut graph, "n".into(), name, schema.since, inputs, outputs, attrs, none);
                if import(&mut n).is_ok() && !n.unread().is_empty() {
                    unread.push(format!("{}-{}: {}", op.name, schema.since, n.unread().join(", ")));
                }
            }
        }
        assert!(unread.is_empty(), "{}", unread.join("\n"));
    }
}
