"""TreeEnsemble, TreeEnsembleClassifier, TreeEnsembleRegressor of ai.onnx.ml."""
import numpy as np
from onnx import helper, TensorProto

F = np.float32
WORDS = ("NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO", "PROBIT")
LEAF = "LEAF"


def ensemble(trees, word, double=False):
    """Each tree: a list of (mode, feature, threshold, yes, no, missing) or (LEAF, [(target, weight)..])."""
    a = {f"nodes_{k}": [] for k in ("treeids", "nodeids", "featureids", "modes", "values", "truenodeids", "falsenodeids", "missing_value_tracks_true", "hitrates")}
    w = {f"{word}_{k}": [] for k in ("treeids", "nodeids", "ids", "weights")}
    for t, tree in enumerate(trees):
        for i, node in enumerate(tree):
            leaf = node[0] == LEAF
            mode, feature, value, yes, no, missing = (LEAF, 0, 0.0, 0, 0, 0) if leaf else node
            for k, v in (("treeids", t), ("nodeids", i), ("featureids", feature), ("modes", mode), ("values", float(value)), ("truenodeids", yes), ("falsenodeids", no), ("missing_value_tracks_true", missing), ("hitrates", 1.0)):
                a[f"nodes_{k}"].append(v)
            for target, weight in node[1] if leaf else []:
                for k, v in (("treeids", t), ("nodeids", i), ("ids", target), ("weights", float(weight))):
                    w[f"{word}_{k}"].append(v)
    if double:
        a["nodes_values_as_tensor"] = np.array(a.pop("nodes_values"))
        del a["nodes_hitrates"]
        w[f"{word}_weights_as_tensor"] = np.array(w.pop(f"{word}_weights"))
    return a | w


def leaf(*weights):
    return (LEAF, list(weights))


def grown(rng, depth, features, leaves, modes=("BRANCH_LEQ",), missing=False):
    tree = []

    def grow(d):
        at = len(tree)
        tree.append(None)
        if d == 0 or rng.random() < 0.15:
            tree[at] = leaves(rng)
            return at
        yes, no = grow(d - 1), grow(d - 1)
        tree[at] = (str(rng.choice(modes)), int(rng.integers(features)), float(F(rng.integers(-3, 4) / 2)), yes, no, int(missing and rng.random() < 0.5))
        return at

    grow(depth)
    return tree


def stump(*leaves):
    """x <= 0, else x <= 1."""
    return [("BRANCH_LEQ", 0, 0, 1, 2, 0), leaf(*leaves[0]), ("BRANCH_LEQ", 0, 1, 3, 4, 0), leaf(*leaves[1]), leaf(*leaves[2])]


def classifiers(add):
    name, x = "ai.onnx.ml.TreeEnsembleClassifier", np.array([[-1], [0.25], [2]], F)
    one = lambda id, w: [stump(*[[(id, v)] for v in w])]
    for word in WORDS[:4]:
        for w in ([0.125, 0.625, 0.875], [-0.25, 0.25, 0.75]):
            for base in ({}, {"base_values": [0.25]}):
                add(name, 1, [x], outputs=2, by=("ort",), classlabels_int64s=[10, 20], post_transform=word, **ensemble(one(0, w), "class"), **base)
        add(name, 1, [x], outputs=2, by=("ort",), classlabels_int64s=[10, 20], post_transform=word, **ensemble(one(1, [-0.25, 0.25, 0.75]), "class"))
        add(name, 1, [x], outputs=2, by=("ort",), classlabels_int64s=[10], post_transform=word, **ensemble(one(0, [-0.25, 0.25, 0.75]), "class"))
    # ONNX Runtime forgets the second base value here.
    expected = [np.array([10, 20, 20]), np.array([[0.25, 0.25], [0.75, 0.25], [1, 0.25]], F)]
    add(name, 1, [x], expected, outputs=2, classlabels_int64s=[10, 20], base_values=[0.125, 0.25], **ensemble(one(0, [0.125, 0.625, 0.875]), "class"))
    full = [stump([(0, 0.25), (1, 0.5), (2, 0.25)], [(0, 0.5), (1, 0.375), (2, 0.125)], [(0, 0.2), (1, 0.3), (2, 0.5)])]
    part = [stump([(0, -0.25)], [(1, -0.5)], [(0, -0.75)])]
    for word in WORDS:
        add(name, 3, [x], outputs=2, by=("ort",), tolerance=1e-5, classlabels_int64s=[10, 20, 30], post_transform=word, **ensemble(full, "class"))
        add(name, 3, [x], outputs=2, by=("ort",), tolerance=1e-5, classlabels_int64s=[10, 20, 30], post_transform=word, base_values=[0.125, 0.25, -0.125], **ensemble(full, "class"))
    add(name, 3, [x], outputs=2, by=("ort",), classlabels_int64s=[10, 20, 30], **ensemble(part, "class"))
    # ONNX Runtime gives labels 0 and 1 where both of two classes have weights; the standard means the greatest.
    both = [stump([(0, 0.25), (1, 0.75)], [(0, 0.625), (1, 0.375)], [(0, 0.5), (1, 0.5)])]
    add(name, 3, [x], [np.array([20, 10, 10]), np.array([[0.25, 0.75], [0.625, 0.375], [0.5, 0.5]], F)], outputs=2, classlabels_int64s=[10, 20], **ensemble(both, "class"))
    rng = np.random.default_rng(5)
    trees = [grown(rng, 4, 3, lambda r: leaf(*[(c, int(r.integers(0, 9)) / 8) for c in range(4)])) for _ in range(5)]
    rows = (rng.integers(-4, 5, (6, 3)) / 2).astype(F)
    add(name, 3, [rows], outputs=2, by=("ort",), classlabels_int64s=[3, 1, 4, 5], post_transform="SOFTMAX", **ensemble(trees, "class"))
    for dtype in (np.float64, np.int64, np.int32):
        add(name, 1, [rows.astype(dtype)], outputs=2, by=("ort",), classlabels_int64s=[3, 1, 4, 5], **ensemble(trees, "class"))
    add(name, 3, [rows.astype(np.float64)], outputs=2, by=("ort",), classlabels_int64s=[3, 1, 4, 5], **ensemble(trees, "class", True))


def regressors(add):
    name, rng = "ai.onnx.ml.TreeEnsembleRegressor", np.random.default_rng(7)
    modes = [f"BRANCH_{m}" for m in ("LEQ", "LT", "GTE", "GT", "EQ", "NEQ")]
    rows = (rng.integers(-4, 5, (8, 3)) / 2).astype(F)
    holes = rows.copy()
    holes[rng.random(rows.shape) < 0.3] = np.nan
    one = lambda r: leaf((0, int(r.integers(-8, 9)) / 8))
    two = lambda r: leaf(*[(int(t), int(r.integers(-8, 9)) / 8) for t in r.permutation(2)[: r.integers(1, 3)]])
    for mode in modes:
        add(name, 1, [rows], by=("ort",), n_targets=1, **ensemble([grown(rng, 3, 3, one, [mode]) for _ in range(3)], "target"))
    mixed = [grown(rng, 4, 3, one, modes, True) for _ in range(4)]
    add(name, 3, [holes], by=("ort",), n_targets=1, **ensemble(mixed, "target"))
    for aggregate in ("SUM", "AVERAGE", "MIN", "MAX"):
        trees = [grown(rng, 3, 3, two, ["BRANCH_LEQ", "BRANCH_GT"], True) for _ in range(3)]
        add(name, 3, [holes], by=("ort",), n_targets=2, aggregate_function=aggregate, base_values=[0.5, -0.25], **ensemble(trees, "target"))
        add(name, 3, [rows], by=("ort",), n_targets=1, aggregate_function=aggregate, base_values=[0.5], **ensemble([grown(rng, 3, 3, one) for _ in range(3)], "target"))
        add(name, 3, [rows.astype(np.float64)], by=("ort",), n_targets=2, aggregate_function=aggregate, **ensemble(trees, "target", True))
    for word in WORDS[1:4]:
        add(name, 3, [rows], by=("ort",), tolerance=1e-5, n_targets=2, post_transform=word, **ensemble(trees, "target"))
    add(name, 3, [rows[:1]], by=("ort",), n_targets=1, **ensemble([[one(rng)], grown(rng, 2, 3, one)], "target"))


def flat(add):
    name = "ai.onnx.ml.TreeEnsemble"
    # The two models of onnx's own tests.
    x = np.array([[1.2, 3.4, -0.12], [1.66, 4.14, 1.77]])
    add(name, 5, [x], by=("ref",), n_targets=2, aggregate_function=1, post_transform=0, tree_roots=[0],
        nodes_modes=np.array([0, 0, 0], np.uint8), nodes_featureids=[0, 0, 0], nodes_splits=np.array([3.14, 1.2, 4.2]),
        nodes_truenodeids=[1, 0, 1], nodes_trueleafs=[0, 1, 1], nodes_falsenodeids=[2, 2, 3], nodes_falseleafs=[0, 1, 1],
        leaf_targetids=[0, 1, 0, 1], leaf_weights=np.array([5.23, 12.12, -12.23, 7.21]))
    x = np.array([1.2, 3.4, -0.12, np.nan, 12, 7], F).reshape(-1, 1)
    sets = dict(n_targets=4, tree_roots=[0], nodes_modes=np.array([0, 6, 6], np.uint8), nodes_featureids=[0, 0, 0],
        nodes_splits=np.array([11, 232344, 0], F), membership_values=np.array([1.2, 3.7, 8, 9, np.nan, 12, 7, np.nan], F),
        nodes_trueleafs=[0, 1, 1], nodes_truenodeids=[1, 0, 1], nodes_falseleafs=[1, 0, 1], nodes_falsenodeids=[2, 2, 3],
        leaf_targetids=[0, 1, 2, 3], leaf_weights=np.array([1, 10, 1000, 100], F))
    for aggregate in range(2):
        add(name, 5, [x], by=("ref",), aggregate_function=aggregate, **sets)
    add(name, 5, [x], by=("ref",), nodes_missing_value_tracks_true=[1, 0, 1], aggregate_function=1, **sets)
    half = dict(sets, nodes_splits=sets["nodes_splits"].astype(np.float16), leaf_weights=sets["leaf_weights"].astype(np.float16), membership_values=np.array([1, 2, np.nan, 12, 7, np.nan], np.float16))
    half["nodes_splits"][1] = 0
    add(name, 5, [np.array([[1], [7], [5]], np.float16)], [np.array([[1, 0, 0, 0], [0, 10, 0, 0], [0, 0, 0, 100]], np.float16)], **half)


def cases(add):
    classifiers(add)
    regressors(add)
    flat(add)
