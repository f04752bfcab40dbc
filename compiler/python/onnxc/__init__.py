"""onnxc: ONNX models compiled to native code, on NumPy arrays.

>>> import onnxc
>>> model = onnxc.compile("srcnn.onnx")        # or bytes, or an onnx.ModelProto
>>> y = model(x)                               # arrays in, arrays out
>>> model.save("srcnn.so")                     # a plain shared library
>>> onnxc.load("srcnn.so")(x)

:class:`InferenceSession` has ONNX Runtime's method names; :mod:`onnxc.backend` is a backend as ONNX defines it.
"""

from ._compile import build, check, compile, load
from ._errors import Diagnostic, OnnxcError, Place
from ._model import Model
from ._onnxc import VERSION as __version__
from ._onnxc import backends as _backends
from ._session import InferenceSession, NodeArg

#: The version of the compiler.
version = __version__
#: Names of the backends in this build, the preferred one first.
backends = tuple(_backends())

__all__ = [
    "Diagnostic",
    "InferenceSession",
    "Model",
    "NodeArg",
    "OnnxcError",
    "Place",
    "backends",
    "build",
    "check",
    "compile",
    "load",
    "version",
]
