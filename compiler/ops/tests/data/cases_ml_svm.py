"""SVMClassifier, SVMRegressor of ai.onnx.ml."""
import numpy as np

F = np.float32
rng = np.random.default_rng(11)
draw = lambda *s: (rng.integers(-8, 9, s) / 8).astype(F)
flat = lambda a: [float(v) for v in a.flatten()]
KERNELS = (("LINEAR", [0.0, 0.0, 0.0]), ("POLY", [0.5, 1.0, 3.0]), ("RBF", [0.5, 0.0, 0.0]), ("SIGMOID", [0.25, 0.5, 0.0]))


def cases(add):
    x, t = draw(5, 3), dict(by=("ort",), tolerance=2e-5)
    name = "ai.onnx.ml.SVMRegressor"
    for kernel, params in KERNELS:
        add(name, 1, [x], kernel_type=kernel, kernel_params=params, n_supports=4, support_vectors=flat(draw(4, 3)), coefficients=flat(draw(4)), rho=[0.25], **t)
    add(name, 1, [x], kernel_type="RBF", kernel_params=[0.5, 0.0, 0.0], n_supports=4, one_class=1, support_vectors=flat(draw(4, 3)), coefficients=[0.5, -0.25, 1.0, -1.0], rho=[-0.125], **t)
    add(name, 1, [x], kernel_type="LINEAR", kernel_params=[0.0, 0.0, 0.0], post_transform="NONE", support_vectors=[0.0], n_supports=0, coefficients=flat(draw(3)), rho=[0.5], **t)
    name = "ai.onnx.ml.SVMClassifier"
    machine = lambda classes, per: dict(classlabels_ints=list(range(10, 10 + classes)), vectors_per_class=per, support_vectors=flat(draw(sum(per), 3)), coefficients=flat(draw(classes - 1, sum(per))), rho=flat(draw(classes * (classes - 1) // 2)))
    for kernel, params in KERNELS:
        add(name, 1, [x], outputs=2, kernel_type=kernel, kernel_params=params, **machine(3, [2, 1, 3]), **t)
    rbf = dict(kernel_type="RBF", kernel_params=[0.5, 0.0, 0.0])
    add(name, 1, [x], outputs=2, **rbf, **machine(2, [2, 2]), **t)
    add(name, 1, [x], outputs=2, post_transform="LOGISTIC", **rbf, **machine(2, [2, 2]), **t)
    add(name, 1, [x], outputs=2, post_transform="SOFTMAX", **rbf, **machine(4, [1, 2, 1, 2]), **t)
    for classes, per in ((2, [2, 2]), (3, [2, 1, 3]), (4, [1, 2, 1, 2])):
        pairs = classes * (classes - 1) // 2
        add(name, 1, [x], outputs=2, prob_a=flat(draw(pairs) - F(2)), prob_b=flat(draw(pairs)), **rbf, **machine(classes, per), **t)
    for c, rho in ((draw(3, 3), 0.25), (draw(2, 3), -0.5), (np.abs(draw(2, 3)), 0.125)):
        add(name, 1, [x], outputs=2, classlabels_ints=list(range(7, 7 + len(c))), kernel_type="LINEAR", kernel_params=[0.0, 0.0, 0.0], post_transform="NONE", coefficients=flat(c), rho=[rho], **t)
    for dtype in (np.float64, np.int64, np.int32):
        add(name, 1, [np.array([[1, 0, -1], [2, 1, 0]], dtype)], outputs=2, **rbf, **machine(3, [2, 1, 3]), **t)
