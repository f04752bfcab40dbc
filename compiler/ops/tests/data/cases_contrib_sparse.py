"""SparseAttention of com.microsoft."""
import numpy as np
import onnxruntime as ort
from generate import Const, model_of

F = np.float32
R = np.random.default_rng(14)
draw = lambda *s: R.integers(-8, 9, s).astype(F) / F(8)
i32 = lambda v: np.array(v, np.int32)


def shared(attrs, inputs):
    """What ONNX Runtime computes: it wants the past and the present cache in the same buffers."""
    arrays = [None if x is None else x.value if isinstance(x, Const) else x for x in inputs]
    session = ort.InferenceSession(model_of("com.microsoft.SparseAttention", 1, attrs, arrays, 3).SerializeToString())
    binding, caches = session.io_binding(), [ort.OrtValue.ortvalue_from_numpy(arrays[i].copy()) for i in (3, 4)]
    for i, a in enumerate(arrays):
        if i in (3, 4):
            binding.bind_ortvalue_input(f"x{i}", caches[i - 3])
        elif a is not None:
            binding.bind_cpu_input(f"x{i}", a)
    binding.bind_output("y0")
    for i, cache in enumerate(caches):
        binding.bind_ortvalue_output(f"y{i + 1}", cache)
    session.run_with_iobinding(binding)
    return binding.copy_outputs_to_cpu()


def cases(add):
    name, b, h, kv, d = "com.microsoft.SparseAttention", 1, 4, 2, 16
    # Two layouts of 3 x 3 blocks of 16: the diagonal and the first column; all up to the diagonal.
    rows = Const(i32([[0, 1, 3, 5], [0, 1, 3, 6]]))
    columns = Const(i32([[0, 0, 1, 0, 2, -1], [0, 0, 1, 0, 1, 2]]))

    def case(inputs, **attrs):
        attrs = dict(num_heads=h, kv_num_heads=kv, sparse_block_size=16) | attrs
        add(name, 1, inputs, shared(attrs, inputs), outputs=3, tolerance=2e-5, **attrs)

    angles = np.outer(np.arange(48), 0.5 ** np.arange(8)).astype(F)
    cos, sin = Const(np.cos(angles)), Const(np.sin(angles))
    new = lambda s: [draw(b, s, h * d), draw(b, s, kv * d), draw(b, s, kv * d)]
    empty = lambda: [np.zeros((b, kv, 48, d), F) for _ in range(2)]
    case([*new(40), *empty(), rows, columns, i32(40), i32([40])])
    case([*new(1), draw(b, kv, 48, d), draw(b, kv, 48, d), rows, columns, i32(45), i32([45]), cos, sin], do_rotary=1, scale=0.5)
    case([draw(b, 1, (h + 2 * kv) * d), None, None, draw(b, kv, 48, d), draw(b, kv, 48, d), rows, columns, i32(20), i32([20])])
