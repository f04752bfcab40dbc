"""Operators of two operands."""
import numpy as np

from generate import Const, Followed

F = np.float32
A = np.array([[1, -2, 3], [4, 5.5, -6]], F)
B = np.array([[2, 3, -4], [0.5, -1, 8]], F)
BOOLS = np.array([[True, True, False], [False, True, False]])
OTHER = np.array([[True, False, False], [True, True, True]])
NUMPY = {
    "Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Div": np.divide, "And": np.logical_and,
    "Or": np.logical_or, "Xor": np.logical_xor, "Equal": np.equal, "Greater": np.greater, "Less": np.less,
    "GreaterOrEqual": np.greater_equal, "LessOrEqual": np.less_equal,
}
VERSIONS = {
    "Add": [1, 6, 7, 13, 14], "Sub": [1, 6, 7, 13, 14], "Mul": [1, 6, 7, 13, 14], "Div": [1, 6, 7, 13, 14],
    "And": [1, 7], "Or": [1, 7], "Xor": [1, 7], "Equal": [1, 7, 11, 13, 19], "Greater": [1, 7, 9, 13],
    "Less": [1, 7, 9, 13], "GreaterOrEqual": [12, 16], "LessOrEqual": [12, 16],
}


def legacy(add, op, v, a, b):
    f = NUMPY[op]
    add(op, v, [a, b], [f(a, b)])
    add(op, v, [a, b[0]], [f(a, b[0])], broadcast=1)
    add(op, v, [a, b[:, 0]], [f(a, b[:, :1])], broadcast=1, axis=0)
    add(op, v, [a, b[0, 0]], [f(a, b[0, 0])], broadcast=1, axis=1)
    x = np.stack([a, a, a, a])[None]
    add(op, v, [x, x[0, :, :, 0]], [f(x, x[:, :, :, :1])], broadcast=1, axis=-3)


def cases(add):
    for op, versions in VERSIONS.items():
        a, b = (BOOLS, OTHER) if op in ("And", "Or", "Xor") else (A, B)
        if op in ("Equal", "GreaterOrEqual", "LessOrEqual"):
            b = np.where(OTHER, a, b)
        for v in versions:
            if v < 7:
                if op == "Equal":
                    legacy(add, op, v, a.astype(np.int32), b.astype(np.int32))
                else:
                    legacy(add, op, v, a, b)
                continue
            if op == "Equal" and v < 11:
                a, b = a.astype(np.int64), b.astype(np.int64)
            add(op, v, [a, b], [NUMPY[op](a, b)])
            add(op, v, [a, b[:1, :]], [NUMPY[op](a, b[:1, :])])
            add(op, v, [a[:, :1], b[0]], [NUMPY[op](a[:, :1], b[0])])
            add(op, v, [a[0, 0], b], [NUMPY[op](a[0, 0], b)])
        if op not in ("And", "Or", "Xor"):
            h = [x.astype(np.float16) for x in (A, B)]
            add(op, versions[-1], h, [NUMPY[op](*h)], tolerance=1e-3)
            if op in ("Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual"):
                n = np.array([np.nan, 1, 2], F)
                add(op, versions[-1], [n, n[::-1].copy()], [NUMPY[op](n, n[::-1])])
    integers(add)
    contents(add)
    prelu(add)


def integers(add):
    a, b = np.array([7, -7, 7, -7, 0]), np.array([2, 2, -2, -2, 5])
    for t in (np.int64, np.int32, np.int8):
        x, y = a.astype(t), b.astype(t)
        add("Div", 14, [x, y], [np.trunc(x / y).astype(t)])
        for v in (10, 13, 28):
            add("Mod", v, [x, y], [np.mod(x, y)])
            add("Mod", v, [x, y], [np.fmod(x, y)], fmod=1)
    add("Mod", 13, [np.array([2**63 + 9], np.uint64), np.array([10], np.uint64)], [np.array([7], np.uint64)])
    fa, fb = np.array([5.5, -5.5, 5.5, -5.5], F), np.array([2, 2, -2, -2], F)
    add("Mod", 13, [fa, fb], [np.fmod(fa, fb)], fmod=1)
    add("Mod", 28, [fa, fb], [np.mod(fa, fb)])
    add("Add", 14, [np.array([250], np.uint8), np.array([10], np.uint8)], [np.array([4], np.uint8)])
    add("Equal", 13, [BOOLS, OTHER])
    add("Less", 13, [np.array([2**63, 1], np.uint64), np.array([1, 2], np.uint64)])
    for v in (11, 28):
        for t in (np.uint8, np.uint32):
            x, y = np.array([1, 3, 255], t), np.array([1, 2, 7], t)
            add("BitShift", v, [x, y], [np.left_shift(x, y)], direction="LEFT")
            add("BitShift", v, [x, y], [np.right_shift(x, y)], direction="RIGHT")
    add("BitShift", 28, [np.array([-8, 5], np.int32), np.array([1, 1], np.int32)], [np.array([-4, 2], np.int32)], direction="RIGHT")
    for op in ("BitwiseAnd", "BitwiseOr", "BitwiseXor"):
        add(op, 18, [np.array([[12], [-7]], np.int32), np.array([10, 255, 0], np.int32)], by=("ref",))
        add(op, 18, [np.array([12, 250], np.uint8), np.array([10, 255], np.uint8)], by=("ref",))


def contents(add):
    """Elements known at compile time are followed through shape arithmetic."""
    a, b = np.array([[7, -8, 9]]), np.array([[2], [3]])
    for op in ("Add", "Sub", "Mul", "Equal", "Less", "Greater"):
        add(op, 13, [Const(a), Const(b)], [NUMPY[op](a, b)])
    add("Div", 13, [Const(a), Const(b)], [np.trunc(a / b).astype(np.int64)])
    add("Mod", 13, [Const(np.abs(a)), Const(b)], [np.mod(np.abs(a), b)])
    # Tensors wrap, symbols don't: such contents are let go.
    for t in (np.int32, np.int64):
        big = np.array([np.iinfo(t).max], t)
        add("Add", 13, [Const(big), Const(np.array([1], t))], [np.array([np.iinfo(t).min], t)])
    c, d = Followed([6, 5, 8]), Followed([[2], [3]])
    for op in ("Add", "Sub", "Mul"):
        add(op, 13, [c, d], [NUMPY[op](c.value, d.value)])
        add(op, 13, [c, Const([2, 3, 4])], [NUMPY[op](c.value, np.array([2, 3, 4]))])
    add("Div", 13, [c, Const([4])], [c.value // 4])
    add("Div", 13, [c, d], [c.value // d.value])
    add("Div", 13, [Followed([6, 5, 8]), Const([-4])], [np.array([-1, -1, -2])])
    add("Mod", 13, [c, Const([4])], [c.value % 4])
    for op in ("Equal", "Less", "Greater"):
        add(op, 13, [c, Const([-1])], [NUMPY[op](c.value, np.array([-1]))])
        add(op, 13, [c, d], [NUMPY[op](c.value, d.value)])
    for op in ("And", "Or"):
        add(op, 7, [Const(BOOLS), Const(OTHER[0])], [NUMPY[op](BOOLS, OTHER[0])])


def prelu(add):
    f = lambda x, s: [np.where(x < 0, s * x, x)]
    x = np.stack([A, B, -A])[None]
    slope = np.array([0.1, 0.2, 0.3], F)
    for v in (1, 6):
        add("PRelu", v, [x, slope], f(x, slope[:, None, None]))
        add("PRelu", v, [x, slope[:1]], f(x, slope[0]))
        add("PRelu", v, [A, slope], f(A, slope))
    for v in (7, 9, 16):
        add("PRelu", v, [x, slope[:, None, None]], f(x, slope[:, None, None]))
        add("PRelu", v, [x, slope], f(x, slope))
    add("PRelu", 16, [np.array([-3, 4], np.int32), np.array([5], np.int32)], [np.array([-15, 4], np.int32)])
