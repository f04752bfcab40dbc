"""NonMaxSuppression."""
import numpy as np
from generate import Const

BOXES = np.array([[[0, 0, 1, 1], [0, 0.1, 1, 1.1], [0, -0.1, 1, 0.9], [0, 10, 1, 11], [0, 10.1, 1, 11.1], [0, 100, 1, 101]]], np.float32)
SCORES = np.array([[[0.9, 0.75, 0.6, 0.95, 0.5, 0.3]]], np.float32)
CENTER = np.array([[[0.5, 0.5, 1, 1], [0.5, 0.6, 1, 1], [0.5, 0.4, 1, 1], [0.5, 10.5, 1, 1], [0.5, 10.6, 1, 1], [0.5, 100.5, 1, 1]]], np.float32)
S = lambda v: np.array(v, np.int64 if isinstance(v, int) else np.float32)


def cases(add):
    def nms(opset, boxes, scores, *rest, **kw):
        rest = [None if r is None else S(r) for r in rest]
        add("NonMaxSuppression", opset, [boxes, scores, *rest], **kw)
        add("NonMaxSuppression", opset, [boxes, scores, *[None if r is None else Const(r) for r in rest]], **kw)

    for opset in (10, 11):
        nms(opset, BOXES, SCORES, 3, 0.5, 0.0)
        nms(opset, BOXES, SCORES, 2, 0.5, 0.0)
        nms(opset, BOXES, SCORES, 30, 0.5, 0.4)
        nms(opset, CENTER, SCORES, 3, 0.5, 0.0, center_point_box=1)
        nms(opset, BOXES, SCORES, 0, 0.5)
        nms(opset, BOXES, SCORES, 9)
        nms(opset, BOXES, SCORES, 9, None, 0.55)
        nms(opset, BOXES, SCORES, 9, 0.5, 2.0)
        add("NonMaxSuppression", opset, [BOXES, SCORES])
    flipped = BOXES[:, :, [2, 1, 0, 3]]
    nms(11, flipped, SCORES, 3, 0.5, 0.0)
    same = np.tile(BOXES[:, :1], (1, 5, 1))
    nms(11, same, np.full((1, 1, 5), 0.5, np.float32), 3, 0.5, 0.0)
    nms(11, same * 0, np.full((1, 1, 5), 0.5, np.float32), 3, 0.5, 0.0)
    nms(11, np.zeros((1, 0, 4), np.float32), np.zeros((1, 1, 0), np.float32), 3, 0.5, expect=[np.zeros((0, 3), np.int64)])
    r = np.random.default_rng(1)
    corners = r.uniform(0, 8, (2, 40, 2)).astype(np.float32)
    boxes = np.concatenate([corners, corners + r.uniform(0.5, 3, (2, 40, 2)).astype(np.float32)], -1).round(3)
    scores = r.uniform(0, 1, (2, 3, 40)).astype(np.float32).round(2)
    nms(11, boxes, scores, 7, 0.3, 0.2)
    nms(11, boxes, scores, 100, 0.05, 0.5)
