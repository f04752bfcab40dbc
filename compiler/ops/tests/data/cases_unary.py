"""Elementwise functions of one operand without attributes."""
import math

import numpy as np

from generate import Followed

F = np.float32
ANY = np.array([[-2.5, -1.0, -0.5, -0.0], [0.3, 0.5, 1.5, 2.5]], F)
POSITIVE = np.array([0.01, 0.5, 1.0, 3.7, 100.0], F)
UNIT = np.array([-1.0, -0.6, 0.0, 0.25, 1.0], F)
ABOVE_ONE = np.array([1.0, 1.5, 10.0], F)
NAN = np.array([np.nan, np.inf, -np.inf, 0.7], F)

# name, versions, domain of the function
FLOATS = [
    ("Abs", [1, 6, 13], ANY), ("Neg", [1, 6, 13], ANY), ("Floor", [1, 6, 13], ANY), ("Ceil", [1, 6, 13], ANY),
    ("Round", [11, 22], ANY), ("Sign", [9, 13], ANY), ("Exp", [1, 6, 13], ANY), ("Log", [1, 6, 13], POSITIVE),
    ("Sqrt", [1, 6, 13], POSITIVE), ("Reciprocal", [1, 6, 13], POSITIVE), ("Sin", [7, 22], ANY), ("Cos", [7, 22], ANY),
    ("Tan", [7, 22], UNIT), ("Asin", [7, 22], UNIT), ("Acos", [7, 22], UNIT), ("Atan", [7, 22], ANY),
    ("Sinh", [9, 22], ANY), ("Cosh", [9, 22], ANY), ("Tanh", [1, 6, 13], ANY), ("Asinh", [9, 22], ANY),
    ("Acosh", [9, 22], ABOVE_ONE), ("Atanh", [9, 22], UNIT * F(0.9)), ("Erf", [9, 13], ANY),
]


def cases(add):
    for op, versions, x in FLOATS:
        for v in versions:
            add(op, v, [x], by=("ref",) if v == 1 else ("ort", "ref"))
        double = x.astype(np.float64)
        erf = [np.vectorize(math.erf)(double)] if op == "Erf" else None  # the evaluators take it in f32
        add(op, versions[-1], [double], erf, by=("ref",), tolerance=1e-12)
        add(op, versions[-1], [x.astype(np.float16)], by=("ref",), tolerance=2e-3)
        if op not in ("Log", "Sqrt", "Reciprocal", "Acosh", "Tan", "Atanh", "Asin", "Acos"):
            nan = NAN if op not in ("Sin", "Cos") else NAN[[0, 3]]
            add(op, versions[-1], [nan], by=("ref",))
    i = np.array([-7, 0, 5], np.int32)
    for op in ("Abs", "Neg", "Sign"):
        add(op, 13, [i])
        add(op, 13, [i.astype(np.int64)])
    add("Abs", 13, [np.array([0, 200], np.uint8)])
    add("Sign", 13, [np.array([0, 200], np.uint8)])
    add("Neg", 13, [np.array([-128, 3], np.int8)])
    add("Abs", 13, [np.array(-3.5, F)])
    add("Abs", 13, [np.zeros((2, 0, 3), F)])
    add("Not", 1, [np.array([True, False])])
    for v in (9, 13, 20):
        add("IsNaN", v, [NAN])
    add("IsNaN", 20, [NAN.astype(np.float16)], by=("ref",))
    for v in (10, 20):
        for attrs in ({}, {"detect_negative": 0}, {"detect_positive": 0}, {"detect_negative": 0, "detect_positive": 0}):
            add("IsInf", v, [NAN], **attrs)
    for t in (np.int8, np.uint8, np.int32, np.uint64):
        add("BitwiseNot", 18, [np.array([0, 1, 77], t)], by=("ref",))
    add("Neg", 13, [Followed([3, 0])], [np.array([-3, 0])])
    import ml_dtypes
    for t in (ml_dtypes.float8_e5m2, ml_dtypes.float8_e4m3fn):
        add("IsNaN", 20, [NAN.astype(t)], by=("ref",))
    add("IsInf", 20, [NAN.astype(ml_dtypes.float8_e5m2)], [np.isinf(NAN)])
    add("Erf", 13, [np.array([-9, -1, 0, 4, 100], np.int8)], [np.array([-1, 0, 0, 1, 1], np.int8)])
