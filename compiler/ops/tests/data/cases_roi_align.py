"""RoiAlign."""
import numpy as np


def cases(add):
    r = np.random.default_rng(5)
    x = r.normal(size=(2, 3, 7, 9)).astype(np.float32).round(3)
    rois = np.array([[0, 0, 8, 6], [1.5, 2, 4, 6.5], [6, 3, 14, 12], [-3, -2, 2.5, 3], [4, 4, 4.2, 4.1]], np.float32)
    at = np.array([0, 1, 0, 1, 1], np.int64)
    for opset in (10, 16, 22):
        for kw in ({}, {"output_height": 3, "output_width": 2}, {"output_height": 2, "output_width": 2, "sampling_ratio": 2},
                   {"output_width": 3, "sampling_ratio": 1, "spatial_scale": 0.5}):
            modes = [{}] if opset == 10 else [{}, {"coordinate_transformation_mode": "output_half_pixel"}]
            for mode in modes:
                add("RoiAlign", opset, [x, rois, at], tolerance=1e-4, **kw, **mode)
        add("RoiAlign", opset, [x, rois[:2], at[:2]], mode="max", output_height=2, output_width=2, sampling_ratio=2,
            tolerance=1e-4)
    for opset in (10, 16, 22):
        add("RoiAlign", opset, [x.astype(np.float64), rois.astype(np.float64), at], output_width=2, tolerance=1e-6)
    half = [x.astype(np.float16), rois.astype(np.float16), at]
    add("RoiAlign", 16, half, output_width=2, mode="max", tolerance=4e-3, by=("ref",))
    add("RoiAlign", 22, half, output_width=2, tolerance=4e-3, by=("ref",))
