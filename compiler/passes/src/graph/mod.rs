//! Passes over the graph, one file each.

pub mod beside_steps;
pub mod borders;
pub mod channels_last;
pub mod common_subexpressions;
pub mod complex_parts;
pub mod dead_code;
pub mod dead_taps;
pub mod fold_batch_norm;
pub mod fold_constants;
pub mod fuse_layer_norm;
pub mod gather_products;
pub mod gemm_axes;
#[cfg(test)]
pub(crate) mod layout_tests;
pub mod live_taps;
pub mod order;
pub mod parts;
mod patterns;
pub mod quantised_integers;
pub mod recompute;
mod regions;
pub mod samples;
pub mod scale_weights;
pub mod scan_axes;
pub mod simplify;
pub mod sub_pixels;
pub mod sum_convolutions;
#[cfg(test)]
mod tests;
