"""GridSample."""
import numpy as np


def cases(add):
    r = np.random.default_rng(7)
    x = r.normal(size=(2, 2, 4, 3)).astype(np.float32).round(3)
    grid = r.uniform(-1.9, 1.9, (2, 3, 4, 2)).astype(np.float32).round(3)
    for opset in (16, 20, 22):
        for mode in ("linear", "nearest", "cubic"):
            word = mode if opset > 16 or mode == "nearest" else "bi" + mode
            for padding in ("zeros", "border", "reflection"):
                for align in (0, 1):
                    if mode == "cubic" and padding == "border":
                        continue
                    add("GridSample", opset, [x, grid], mode=word, padding_mode=padding, align_corners=align, tolerance=1e-4)
    inner = (grid / 4).round(3)
    add("GridSample", 20, [x, inner], mode="cubic", padding_mode="border", tolerance=1e-4)
    cube = r.normal(size=(1, 2, 2, 3, 4)).astype(np.float32).round(3)
    points = r.uniform(-1.5, 1.5, (1, 2, 2, 3, 3)).astype(np.float32).round(3)
    for mode in ("linear", "nearest"):
        add("GridSample", 20, [cube, points], mode=mode, tolerance=1e-4)
