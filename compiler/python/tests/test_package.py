"""The package itself: arrays in and out, sessions, errors, files, threads."""

import tempfile
import threading
import unittest
from pathlib import Path

import numpy as np
import onnx
import onnx.backend.base
from onnx import TensorProto, helper, numpy_helper

import onnxc
import onnxc.backend


def model(nodes, inputs, outputs, initializers=(), opset=21):
    """A model of nodes; ports are (name, type, shape)."""
    ports = [[helper.make_tensor_value_info(*p) for p in ps] for ps in (inputs, outputs)]
    graph = helper.make_graph(nodes, "g", *ports, initializer=list(initializers))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


def add():
    return model(
        [helper.make_node("Add", ["a", "b"], ["c"], "sum")],
        [("a", TensorProto.FLOAT, ["n", 3]), ("b", TensorProto.FLOAT, [3])],
        [("c", TensorProto.FLOAT, ["n", 3])],
    )


class ComplexNumbers(unittest.TestCase):
    """complex128 goes in and out, through whatever moves elements, control flow and sequences."""

    X = np.array([[1 - 2j, 0.5 + 3j, 0], [-1j, 4, 2.5 - 1j]], np.complex128)

    def run_nodes(self, nodes, inputs, **feeds):
        ports = [(name, helper.np_dtype_to_tensor_dtype(a.dtype), [f"{name}{i}" for i in range(a.ndim)]) for name, a in feeds.items()]
        m = model(nodes, ports, [("y", TensorProto.COMPLEX128, None)], inputs)
        return onnxc.compile(m)(**feeds)

    def test_elements_are_moved(self):
        pads, value = numpy_helper.from_array(np.array([0, 1, 1, 0]), "pads"), numpy_helper.from_array(np.array(7 - 7j), "v")
        nodes = [
            helper.make_node("Transpose", ["x"], ["t"]),
            helper.make_node("Concat", ["t", "t"], ["c"], axis=1),
            helper.make_node("Pad", ["c", "pads", "v"], ["y"]),
        ]
        both = np.concatenate([self.X.T, self.X.T], 1)
        want = np.pad(both, ((0, 1), (1, 0)), constant_values=7 - 7j)
        np.testing.assert_array_equal(self.run_nodes(nodes, [pads, value], x=self.X), want)

    def test_nothing_is_done(self):
        same = helper.make_node("Identity", ["x"], ["y"])
        np.testing.assert_array_equal(self.run_nodes([same], [], x=self.X), self.X)

    def test_branches_and_sequences(self):
        branch = lambda op, name: helper.make_graph([helper.make_node(op, ["x"], [name])], name, [], [helper.make_tensor_value_info(name, TensorProto.COMPLEX128, None)])
        at = numpy_helper.from_array(np.array(1), "at")
        nodes = [
            helper.make_node("If", ["c"], ["z"], then_branch=branch("Transpose", "a"), else_branch=branch("Identity", "b")),
            helper.make_node("SequenceConstruct", ["x", "z"], ["s"]),
            helper.make_node("SequenceAt", ["s", "at"], ["y"]),
        ]
        for c in (True, False):
            got = self.run_nodes(nodes, [at], x=self.X, c=np.array(c))
            np.testing.assert_array_equal(got, self.X.T if c else self.X)


class Arrays(unittest.TestCase):
    def test_calls_by_position_and_by_name(self):
        m = onnxc.compile(add())
        a, b = np.arange(6, dtype=np.float32).reshape(2, 3), np.ones(3, np.float32)
        for c in (m(a, b), m(a, b=b), m(b=b, a=a), m(a, [1, 1, 1])):
            np.testing.assert_array_equal(c, a + 1)
            self.assertEqual(c.dtype, np.float32)

    def test_inputs_of_any_layout(self):
        m = onnxc.compile(add())
        a, b = np.arange(6, dtype=np.float32).reshape(3, 2).T, np.arange(6, dtype=np.float32)[::2]
        np.testing.assert_array_equal(m(a, b), a + b)
        np.testing.assert_array_equal(m(a.astype(">f4"), b), a + b)
        self.assertEqual(m(np.zeros((0, 3), np.float32), b).shape, (0, 3))

    def test_results_stay_when_the_model_is_gone(self):
        c = onnxc.compile(add())(np.ones((1000, 3), np.float32), np.ones(3, np.float32))
        c += 1
        self.assertTrue((c == 3).all())

    def test_several_outputs_are_a_tuple(self):
        m = onnxc.compile(
            model(
                [helper.make_node("Split", ["x"], ["y", "z"], num_outputs=2)],
                [("x", TensorProto.INT64, [4])],
                [("y", TensorProto.INT64, [2]), ("z", TensorProto.INT64, [2])],
            )
        )
        y, z = m(np.arange(4))
        self.assertEqual((y.tolist(), z.tolist()), ([0, 1], [2, 3]))

    def test_any_number_of_threads_gives_the_same(self):
        # Worth three threads with vectors of any width.
        w = np.linspace(-1, 1, 96 * 96, dtype=np.float32).reshape(96, 96)
        graph = model(
            [helper.make_node("MatMul", ["x", "w"], ["y"])],
            [("x", TensorProto.FLOAT, [256, 96]), ("w", TensorProto.FLOAT, [96, 96])],
            [("y", TensorProto.FLOAT, [256, 96])],
        )
        x = np.linspace(-2, 2, 256 * 96, dtype=np.float32).reshape(256, 96)
        want = onnxc.compile(graph)(x, w)
        m = onnxc.compile(graph, threads=3)
        for n in (1, 2, 3, "auto"):
            self.assertTrue(m.set_threads(n))
            self.assertEqual(m(x, w).tobytes(), want.tobytes())
        self.assertFalse(onnxc.compile(graph).set_threads(2))
        with self.assertRaises(ValueError):
            onnxc.compile(graph, threads=0)

    def test_threads_run_one_model_at_once(self):
        m, b = onnxc.compile(add()), np.ones(3, np.float32)
        good = []

        def run(k):
            a = np.full((100, 3), k, np.float32)
            good.append(all((m(a, b) == k + 1).all() for _ in range(50)))

        threads = [threading.Thread(target=run, args=(k,)) for k in range(4)]
        [t.start() for t in threads]
        [t.join() for t in threads]
        self.assertEqual(good, [True] * 4)


class Models(unittest.TestCase):
    def test_from_path_bytes_and_proto(self):
        a, b = np.zeros((1, 3), np.float32), np.ones(3, np.float32)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "add.onnx"
            onnx.save(add(), path)
            for source in (path, str(path), path.read_bytes(), add()):
                self.assertEqual(onnxc.compile(source)(a, b).tolist(), [[1, 1, 1]])
            onnxc.compile(path).save(Path(folder) / "add.so")
            self.assertEqual(onnxc.load(Path(folder) / "add.so")(a, b).tolist(), [[1, 1, 1]])
            onnxc.build(path, Path(folder) / "add.h")
            self.assertIn("add_run", (Path(folder) / "add.h").read_text())

    def test_external_data_of_a_model_in_memory(self):
        w = numpy_helper.from_array(np.arange(3, dtype=np.float32), "b")
        m = add()
        del m.graph.input[1]
        m.graph.initializer.append(w)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "m.onnx"
            onnx.save(m, path, save_as_external_data=True, location="w.bin", size_threshold=0)
            light = onnx.load(path, load_external_data=False)
            a = np.zeros((1, 3), np.float32)
            self.assertEqual(onnxc.compile(light, folder=folder)(a).tolist(), [[0, 1, 2]])
            with self.assertRaises(onnxc.OnnxcError) as e:
                onnxc.compile(light)
            self.assertEqual(e.exception.code, "E0014")

    def test_dims(self):
        m = onnxc.compile(add(), dims={"n": 2})
        self.assertEqual(m.inputs[0].shape, [2, 3])
        m = onnxc.compile(add(), dims={"n": (1, 4)})
        self.assertEqual(m.inputs[0].shape, ["n", 3])
        with self.assertRaises(onnxc.OnnxcError):
            m(np.zeros((5, 3), np.float32), np.zeros(3, np.float32))

    def test_every_backend(self):
        a, b = np.zeros((1, 3), np.float32), np.ones(3, np.float32)
        for name in onnxc.backends:
            self.assertEqual(onnxc.compile(add(), backend=name)(a, b).tolist(), [[1, 1, 1]])


class Unsettled(unittest.TestCase):
    def test_ranks_are_those_of_a_run(self):
        relu = model([helper.make_node("Relu", ["x"], ["y"])], [("x", TensorProto.FLOAT, None)], [("y", TensorProto.FLOAT, None)])
        m = onnxc.compile(relu)
        for shape in ((2, 3), (4,), (), (1, 2)):
            x = np.full(shape, -1, np.float32)
            y = m(x=x)
            self.assertEqual((y.shape, float(y.sum())), (shape, 0))
        self.assertEqual([(p.name, p.dtype, p.shape) for p in m.inputs], [("x", "float32", None)])
        with self.assertRaisesRegex(ValueError, "compile with inputs=.* for x"):
            m.save("never.so")
        self.assertEqual(onnxc.InferenceSession(relu.SerializeToString()).run(None, {"x": -x})[0].shape, (1, 2))
        # A type that is missing altogether is an error, as ever.
        relu.graph.input[0].type.tensor_type.elem_type = 0
        with self.assertRaises(onnxc.OnnxcError):
            onnxc.compile(relu)

    def test_a_run_may_replace_a_default(self):
        w = numpy_helper.from_array(np.ones(3, np.float32), "b")
        both = add()
        both.graph.initializer.append(w)
        m = onnxc.compile(both)
        a = np.arange(6, dtype=np.float32).reshape(2, 3)
        self.assertEqual([p.name for p in m.inputs], ["a"])
        np.testing.assert_array_equal(m(a), a + 1)
        np.testing.assert_array_equal(m(a, b=np.full(3, 5, np.float32)), a + 5)
        np.testing.assert_array_equal(m(a=a), a + 1)
        with self.assertRaisesRegex(TypeError, "no input is called 'c'"):
            m(a, c=a)
        # Compiled with it as an input, there is no default.
        with self.assertRaisesRegex(TypeError, "missing: 'b'"):
            onnxc.compile(both, inputs={"b": None})(a=a)


    def test_a_run_may_need_the_other_branch(self):
        lower = helper.make_graph([helper.make_node("Squeeze", ["x", "at"], ["r"])], "t", [], [])
        same = helper.make_graph([helper.make_node("Identity", ["x"], ["s"])], "e", [], [])
        for graph, name in ((lower, "r"), (same, "s")):
            graph.output.append(onnx.ValueInfoProto(name=name))
        ranks = model(
            [
                helper.make_node("If", ["c"], ["h"], "which", then_branch=lower, else_branch=same),
                helper.make_node("Relu", ["h"], ["y"]),
            ],
            [("c", TensorProto.BOOL, []), ("x", TensorProto.FLOAT, [1, 4])],
            [("y", TensorProto.FLOAT, None)],
            [numpy_helper.from_array(np.array([0]), "at")],
        )
        m, x = onnxc.compile(ranks), np.arange(4, dtype=np.float32).reshape(1, 4)
        for c in (True, False, False, True):
            np.testing.assert_array_equal(m(np.array(c), x), x[0] if c else x)
        chosen = onnxc.compile(ranks, branches={"which": "else"})
        np.testing.assert_array_equal(chosen(np.array(False), x), x)
        with self.assertRaisesRegex(onnxc.OnnxcError, "compiled for the other branch"):
            chosen(np.array(True), x)
        with self.assertRaisesRegex(onnxc.OnnxcError, "E2035"):
            onnxc.compile(ranks, branches={"that": "else"})


class Errors(unittest.TestCase):
    def test_all_problems_at_once_with_their_places(self):
        nodes = [helper.make_node("Nope", ["a"], ["x"], "first"), helper.make_node("Nono", ["x"], ["c"], "second")]
        bad = model(nodes, [("a", TensorProto.FLOAT, [1])], [("c", TensorProto.FLOAT, [1])])
        with self.assertRaises(onnxc.OnnxcError) as e:
            onnxc.compile(bad)
        found = e.exception.diagnostics
        self.assertEqual([d.node for d in found], ["first", "second"])
        self.assertTrue(all(d.severity == "error" and d.code in str(e.exception) for d in found))
        self.assertEqual([str(d) for d in onnxc.check(bad)], [str(d) for d in found])
        self.assertEqual(onnxc.check(add()), [])

    def test_inputs_that_do_not_fit(self):
        m = onnxc.compile(add())
        a, b = np.zeros((1, 3), np.float32), np.ones(3, np.float32)
        for code, values in {"E6010": (a,), "E6011": (a.astype(float), b), "E6012": (a[0], b), "E6013": (a, b[:2])}.items():
            with self.assertRaises(onnxc.OnnxcError) as e:
                m(*values)
            self.assertEqual(e.exception.code, code)
        with self.assertRaises(TypeError):
            m(a, nobody=b)

    def test_things_that_are_no_model(self):
        with self.assertRaises(onnxc.OnnxcError):
            onnxc.compile(b"nonsense")
        with self.assertRaises(onnxc.OnnxcError):
            onnxc.load("/nowhere.so")
        with self.assertRaises(TypeError):
            onnxc.compile(3)


class Sessions(unittest.TestCase):
    def test_names_of_onnx_runtime(self):
        s = onnxc.InferenceSession(add().SerializeToString(), providers=["CPUExecutionProvider"])
        self.assertEqual([tuple(i) for i in s.get_inputs()], [("a", "tensor(float)", ["n", 3]), ("b", "tensor(float)", [3])])
        feed = {"a": np.zeros((1, 3), np.float32), "b": np.ones(3, np.float32)}
        for names in (None, ["c"]):
            (c,) = s.run(names, feed)
            self.assertEqual(c.tolist(), [[1, 1, 1]])
        with self.assertRaises(ValueError):
            s.run(["d"], feed)


class Backend(unittest.TestCase):
    def test_the_interface_of_onnx(self):
        self.assertTrue(issubclass(onnxc.backend.OnnxcBackend, onnx.backend.base.Backend))
        self.assertTrue(onnxc.backend.supports_device("CPU"))
        self.assertFalse(onnxc.backend.supports_device("CUDA:0"))
        self.assertTrue(onnxc.backend.is_compatible(add()))
        (c,) = onnxc.backend.prepare(add()).run([np.zeros((1, 3), np.float32), np.ones(3, np.float32)])
        self.assertEqual(c.tolist(), [[1, 1, 1]])
        x = np.ones(3, np.float32)
        (y,) = onnxc.backend.run_node(helper.make_node("Mul", ["x", "x"], ["y"]), [x, x])
        self.assertEqual(y.tolist(), [1, 1, 1])


if __name__ == "__main__":
    unittest.main()
