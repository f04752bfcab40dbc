"""Shape, Size."""
import numpy as np

X = np.zeros((2, 3, 4), np.float32)


def cases(add):
    for opset in (1, 13, 15, 19, 21, 23, 24, 25):
        expect = lambda v: [np.array(v, np.int64)]
        add("Shape", opset, [X], expect=expect([2, 3, 4]))
        if opset >= 15:
            add("Shape", opset, [X], start=1, expect=expect([3, 4]))
            add("Shape", opset, [X], start=-2, end=-1, expect=expect([3]))
            add("Shape", opset, [X], start=-9, end=9, expect=expect([2, 3, 4]))
            add("Shape", opset, [X], start=2, end=1, expect=expect([]))
    add("Shape", 13, [np.float32(1)], expect=[np.zeros(0, np.int64)])
    for opset in (1, 13, 19, 21, 23, 24, 25):
        add("Size", opset, [X], expect=[np.array(24, np.int64)])
    add("Size", 13, [np.array(3, np.int8)], expect=[np.array(1, np.int64)])
