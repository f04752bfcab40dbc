"""Resize and Upsample: modes, transformations, roundings; scales and sizes, constant and at run time.

No position lies between two elements up to rounding errors, where the reference, in f64, rounds otherwise than f32.
"""
import numpy as np
from generate import Const

F = np.float32
rng = np.random.default_rng(7)
# The reference computes weights in f64.
T = 5e-5


def x(*shape, t=F):
    return rng.integers(-20, 21, shape).astype(t)


def c(*v):
    return Const(np.array(v, F))


def n(*v):
    return Const(np.array(v, np.int64))


def cases(add):
    def both(*args, **kw):
        add("Resize", 19, *args, by=("ref",), tolerance=T, **kw)

    up = c(1, 1, 2, 3)
    a = x(1, 2, 2, 3)
    repeat = a.repeat(2, 2).repeat(3, 3)
    add("Upsample", 1, [a], [repeat], height_scale=2.0, width_scale=3.0)
    add("Upsample", 7, [a], [repeat], scales=[1.0, 1.0, 2.0, 3.0])
    add("Upsample", 9, [a, up], [repeat])
    add("Upsample", 10, [a, up], [repeat])
    add("Upsample", 9, [x(1, 1, 2, 3), up], mode="linear", tolerance=T)
    add("Upsample", 7, [x(1, 1, 2, 3)], mode="linear", scales=[1.0, 1.0, 2.0, 2.0], tolerance=T)
    line = np.array([[[1, 2, 3, 4, 5]]], F)
    add("Resize", 10, [line, c(1, 1, 0.6)], [np.array([[[1, 3, 5]]], F)])
    add("Resize", 10, [a, up], [repeat])
    add("Resize", 10, [x(1, 1, 2, 3), up], mode="linear", tolerance=T)
    for v in (11, 13, 18, 19):
        roi = None if v > 11 else c()
        add("Resize", v, [x(1, 1, 3, 4), roi, up])
        add("Resize", v, [x(1, 1, 3, 4), roi, c() if v == 11 else None, n(1, 1, 5, 3)], mode="linear", tolerance=T)

    # Every transformation with every mode: growing, shrinking.
    for coords in ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"):
        for mode in ("nearest", "linear", "cubic"):
            kw = {"coordinate_transformation_mode": coords, "mode": mode}
            both([x(1, 1, 3, 4), None, c(1, 1, 2, 1.5)], **kw)
            both([x(1, 1, 5, 7), None, c(1, 1, 0.6, 0.65)], **kw)
            both([x(1, 1, 4, 5), None, None, n(1, 1, 7, 2)], **kw)
    for v in (11, 13):
        kw = {"coordinate_transformation_mode": "tf_half_pixel_for_nn", "nearest_mode": "floor"}
        add("Resize", v, [x(1, 1, 3, 4), c(), c(1, 1, 2, 1.5)], **kw)
        add("Resize", v, [x(1, 1, 3, 4), c(), up], **kw)
    for rounding in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"):
        for coords in ("half_pixel", "asymmetric", "align_corners"):
            kw = {"coordinate_transformation_mode": coords, "nearest_mode": rounding}
            add("Resize", 19, [x(1, 1, 5), None, None, n(1, 1, 8)], **kw)
            add("Resize", 19, [x(1, 1, 4), None, c(1, 1, 2)], **kw)
            both([x(1, 1, 5), None, c(1, 1, 0.5)], **kw)

    # Crops.
    for mode in ("nearest", "linear", "cubic"):
        for roi in ([0, 0, 0.4, 0.6, 1, 1, 0.7, 0.8], [0, 0, 0.4, 0.6, 1, 1, 1.2, 1.7]):
            kw = {"coordinate_transformation_mode": "tf_crop_and_resize", "mode": mode, "extrapolation_value": 10.0}
            both([x(1, 1, 4, 4), c(*roi), None, n(1, 1, 3, 3)], **kw)
            both([x(1, 1, 4, 4), np.array(roi, F), None, n(1, 1, 3, 3)], **kw)
    kw = {"coordinate_transformation_mode": "tf_crop_and_resize", "mode": "linear"}
    both([x(1, 1, 4, 5), c(0.4, 0.6, 0.6, 0.8), None, n(3, 1)], axes=[2, 3], **kw)
    both([x(1, 1, 4, 5), c(0.6, 0.4, 0.8, 0.6), c(0.5, 1)], axes=[3, 2], **kw)

    # Super-resolution, as in tests/models/srcnn.onnx.
    add("Resize", 11, [x(1, 3, 4, 5) * 6 + 127, c(), c(1, 1, 3, 3)], mode="cubic", tolerance=1e-6)
    # Cubic's factor, elements outside, antialiasing.
    for kw in ({"cubic_coeff_a": -0.5}, {"exclude_outside": 1}, {"cubic_coeff_a": -0.5, "exclude_outside": 1}):
        add("Resize", 19, [x(1, 1, 4, 4), None, c(1, 1, 2, 2)], mode="cubic", tolerance=T, **kw)
        add("Resize", 19, [x(1, 1, 6, 6), None, c(1, 1, 0.8, 0.5)], mode="cubic", tolerance=T, **kw)
    for mode in ("linear", "cubic"):
        for kw in ({}, {"exclude_outside": 1}):
            both([x(1, 1, 6, 6), None, c(1, 1, 0.6, 0.5)], mode=mode, antialias=1, **kw)
            both([x(1, 1, 6, 7), None, None, n(1, 1, 3, 9)], mode=mode, antialias=1, **kw)
            both([x(1, 1, 4), None, c(1, 1, 2)], mode=mode, antialias=1, **kw)
    # More axes, other orders, policies.
    both([x(2, 3, 4), None, c(2, 1.5, 0.5)], mode="linear")
    both([x(2, 3, 4), None, c(2, 1.5, 0.5)])
    both([x(1, 1, 2, 3, 3), None, c(1, 1, 2, 2, 2)], mode="linear")
    both([x(2, 3, 4), None, None, n(5, 2)], mode="linear", axes=[2, 0])
    both([x(2, 3, 4), None, None, n(5, 2)], mode="nearest", axes=[2, 0])
    for policy in ("not_larger", "not_smaller"):
        for mode in ("nearest", "linear"):
            both([x(1, 1, 2, 4), None, None, n(7, 8)], mode=mode, axes=[2, 3], keep_aspect_ratio_policy=policy)
            both([x(1, 1, 2, 4), None, None, np.array([1, 3])], mode=mode, axes=[2, 3], keep_aspect_ratio_policy=policy)
    # Factors known at run time.
    for mode in ("nearest", "linear", "cubic"):
        both([x(1, 2, 3, 4), None, np.array([1, 1, 2, 1.5], F)], mode=mode)
        both([x(1, 2, 3, 4), None, np.array([0.7, 2.1], F)], mode=mode, axes=[2, 3])
        both([x(1, 2, 3, 4), None, None, np.array([1, 2, 5, 2])], mode=mode)
    both([x(2, 3), None, np.array([0.5, 2], F)], mode="linear")
    both([x(3, 5), None, np.array([0.6, 0.5], F)], mode="linear", antialias=1)
    both([x(1, 1, 6, 4), None, None, np.array([1, 1, 3, 6])], mode="cubic", antialias=1)
    # Without a factor; dtypes.
    add("Resize", 19, [a, None, c(1, 1, 1, 1)], [a], mode="cubic")
    add("Resize", 19, [x(1, 1, 3, t=np.float64), None, c(1, 1, 2)], mode="linear", by=("ref",), tolerance=T)
    add("Resize", 19, [x(1, 1, 3, t=np.float16), None, c(1, 1, 2)], mode="linear", by=("ref",), tolerance=1e-3)
    add("Resize", 19, [x(1, 1, 4, t=np.int32), None, c(1, 1, 2)], mode="linear", by=("ref",))
    add("Resize", 19, [np.array([[[0, 255, 0, 255]]], np.uint8), None, c(1, 1, 2)], mode="cubic", by=("ref",))
    for t in (np.int8, np.uint64, np.bool_, np.float16):
        b = np.array([[[1, 0, 3]]]).astype(t)
        add("Resize", 19, [b, None, c(1, 1, 2)], [b.repeat(2, 2)])
