"""MaxRoiPool."""
import numpy as np

from generate import compute


def cases(add):
    x = (np.arange(2 * 2 * 4 * 5, dtype=np.float32) * 7 % 31).reshape(2, 2, 4, 5)
    rois = np.array([[0, 0, 0, 3, 3], [1, 1, 1, 4, 2], [1, 2, 2, 2, 2], [0, 3, 2, 9, 9]], np.float32)
    attrs = dict(pooled_shape=[2, 2])
    add("MaxRoiPool", 1, [x, rois], by=("ort",), **attrs)
    # Nobody has version 22 yet, which only adds a dtype.
    add("MaxRoiPool", 22, [x, rois], compute("MaxRoiPool", 1, attrs, [x, rois], 1, ("ort",)), **attrs)
    add("MaxRoiPool", 1, [x, rois * np.array([1, 2, 2, 2, 2], np.float32)], by=("ort",), pooled_shape=[3, 2], spatial_scale=0.5)
    add("MaxRoiPool", 1, [x, np.array([[0, 7, 7, 9, 9]], np.float32)], by=("ort",), pooled_shape=[2, 1])
