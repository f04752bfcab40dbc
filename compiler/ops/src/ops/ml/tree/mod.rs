//! Ensembles of decision trees: TreeEnsemble, TreeEnsembleClassifier, TreeEnsembleRegressor.
//!
//! [`classic`] and [`flat`] read the two forms that the standard has had into a [`forest::Forest`]; that is written into
//! tables, which [`routine`] walks down for each row. What follows (post transform, labels) are nodes of their own.

pub mod classic;
pub mod flat;
mod forest;
pub mod routine;

#[cfg(test)]
mod tests {
    use crate::testing::Case;
    use onnxc_base::Tensor;
    use onnxc_ir::graph::Attr;

    #[test]
    fn stored() {
        crate::testing::check_stored("ml_tree");
    }

    #[test]
    fn what_is_no_tree_is_refused() {
        let ints = |v: &[i64]| Attr::Ints(v.to_vec());
        let case = |no: i64, feature: i64| {
            Case::new("ai.onnx.ml.TreeEnsembleRegressor", 3)
                .input(Tensor::from_slice(&[1, 2], &[0f32, 1.0]))
                .attr("nodes_treeids", ints(&[0, 0, 0]))
                .attr("nodes_nodeids", ints(&[0, 1, 2]))
                .attr("nodes_featureids", ints(&[feature, 0, 0]))
                .attr("nodes_values", Attr::Floats(vec![0.5, 0.0, 0.0]))
                .attr("nodes_modes", Attr::Strs(["BRANCH_LEQ", "LEAF", "LEAF"].map(String::from).to_vec()))
                .attr("nodes_truenodeids", ints(&[1, 0, 0]))
                .attr("nodes_falsenodeids", ints(&[no, 0, 0]))
                .attr("target_treeids", ints(&[0, 0]))
                .attr("target_nodeids", ints(&[1, 2]))
                .attr("target_ids", ints(&[0, 0]))
                .attr("target_weights", Attr::Floats(vec![1.0, 2.0]))
                .attr("n_targets", Attr::Int(1))
        };
        case(2, 0).expect(&[Tensor::from_slice(&[1, 1], &[1f32])], 0.0);
        assert_eq!(case(0, 0).error(), "E2011", "a circle");
        assert_eq!(case(7, 0).error(), "E2011", "a node that isn't there");
        assert_eq!(case(2, 2).error(), "E2003", "a feature that isn't there");
        assert_eq!(case(2, -1).error(), "E2011", "a feature below 0");
    }
}
