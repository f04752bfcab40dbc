"""FusedMatMul, FusedGemm, FusedConv, NhwcMaxPool and others of com.microsoft."""
import numpy as np
from generate import Const

F = np.float32
rng = np.random.default_rng(4)
draw = lambda *s: rng.integers(-8, 9, s).astype(F) / F(4)


def cases(add):
    ms = lambda name: f"com.microsoft.{name}"
    name = ms("FusedMatMul")
    add(name, 1, [draw(2, 3), draw(3, 4)], by=("ort",), alpha=0.5)
    add(name, 1, [draw(2, 3), draw(3, 4)], by=("ort",))
    add(name, 1, [draw(3, 2), draw(4, 3)], by=("ort",), transA=1, transB=1)
    add(name, 1, [draw(2, 2, 3, 2), draw(2, 2, 3, 4)], by=("ort",), transA=1, alpha=0.25)
    add(name, 1, [draw(2, 2, 5, 3), draw(2, 2, 4, 3)], by=("ort",), transB=1)
    add(name, 1, [draw(2, 5, 3), draw(4, 3)], by=("ort",), transB=1)
    add(name, 1, [draw(5, 2, 3), draw(2, 3, 4)], by=("ort",), transBatchA=1)
    add(name, 1, [draw(3, 2, 5), draw(4, 2, 3)], by=("ort",), transA=1, transBatchA=1, transB=1, transBatchB=1)
    add(ms("TransposeMatMul"), 1, [draw(3, 2), draw(3, 4)], by=("ort",), transA=1)
    a, b = draw(2, 3), draw(4, 3)
    add(ms("FusedMatMulActivation"), 1, [a, b], [np.maximum(a @ b.T, 0)], transB=1, activation="Relu")
    for word, extra in (("Relu", {}), ("LeakyRelu", {"activation_alpha": 0.25}), ("Tanh", {})):
        add(ms("FusedGemm"), 1, [draw(2, 3), draw(4, 3), draw(4)], by=("ort",), transB=1, alpha=0.5, activation=word, tolerance=1e-5, **extra)
    x, w, bias = draw(1, 2, 5, 4), draw(3, 2, 3, 2), draw(3)
    for word, params in (("Relu", []), ("LeakyRelu", [0.25]), ("Clip", [-0.5, 1.0]), ("HardSigmoid", [0.25, 0.5]), ("Sigmoid", []), ("Tanh", [])):
        add(ms("FusedConv"), 1, [x, Const(w), bias], by=("ort",), tolerance=1e-5, activation=word, pads=[1, 0, 1, 0], strides=[2, 1], **({"activation_params": params} if params else {}))
    add(ms("FusedConv"), 1, [x, Const(w), bias, draw(1, 3, 3, 3)], by=("ort",), activation="Relu")
    images = np.ascontiguousarray(x.transpose(0, 2, 3, 1))
    from onnx.reference import ReferenceEvaluator
    from onnx import helper
    conv = helper.make_node("Conv", ["x", "w", "b"], ["y"], pads=[0, 1, 0, 1])
    y = ReferenceEvaluator(conv).run(None, {"x": x, "w": w, "b": bias})[0].transpose(0, 2, 3, 1).astype(F)
    add(ms("NhwcConv"), 1, [images, Const(w), bias], [y], pads=[0, 1, 0, 1], tolerance=1e-5)
    add(ms("NhwcFusedConv"), 1, [images, Const(w), bias, y * F(-0.5)], [np.maximum(y * F(0.5), 0)], pads=[0, 1, 0, 1], activation="Relu", tolerance=1e-5)
    add(ms("NhwcMaxPool"), 1, [rng.integers(-128, 128, (1, 5, 4, 3)).astype(np.int8)], by=("ort",), kernel_shape=[2, 3], pads=[1, 0, 0, 1], strides=[2, 1])
