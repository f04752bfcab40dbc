"""NGramRepeatBlock of com.microsoft."""
import numpy as np


def cases(add):
    name = "com.microsoft.NGramRepeatBlock"
    ids = np.array([[1, 2, 3, 1, 2], [4, 4, 4, 4, 4], [5, 1, 5, 2, 5]], np.int64)
    scores = np.arange(24, dtype=np.float32).reshape(3, 8) - 7.5
    for size in (1, 2, 3, 5, 6, 9):
        add(name, 1, [ids, scores], by=("ort",), ngram_size=size)
    add(name, 1, [ids[:, :0], scores], by=("ort",), ngram_size=1)
