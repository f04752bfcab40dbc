"""NegativeLogLikelihoodLoss, SoftmaxCrossEntropyLoss."""
import numpy as np

F = np.float32


def cases(add):
    r = np.random.default_rng(3)
    f = lambda *s: np.round(r.standard_normal(s), 3).astype(F)
    labels = np.array([[[1, 0], [2, 2]], [[0, 1], [1, 2]]], np.int64)
    for op, versions, outputs in (("NegativeLogLikelihoodLoss", (12, 13, 22), 1), ("SoftmaxCrossEntropyLoss", (12, 13), 2)):
        for v in versions:
            for reduction in ("mean", "sum", "none"):
                add(op, v, [f(2, 3), np.array([0, 2], np.int64)], by=("ref",), outputs=outputs, reduction=reduction)
                image = [f(2, 3, 2, 2), labels, np.array([0.5, 2, 1], F)]
                add(op, v, image, by=("ref",), outputs=outputs, reduction=reduction)
                add(op, v, image, by=("ref",), outputs=outputs, reduction=reduction, ignore_index=1)
                add(op, v, image[:2], by=("ref",), outputs=outputs, reduction=reduction, ignore_index=2)
        far = np.array([0, -7], np.int32)
        add(op, 13, [f(2, 3), far], by=("ref",), outputs=outputs, ignore_index=-7)
        add(op, 13, [f(2, 3), far, np.array([0.5, 2, 1], F)], by=("ref",), outputs=1, ignore_index=-7)
        add(op, 13, [f(2, 3, 2).astype(np.float64), labels[0]], by=("ref",), outputs=outputs)
        add(op, 13, [f(2, 3).astype(np.float16), np.array([0, 2], np.int64)], by=("ref",), outputs=1, tolerance=2e-3)
