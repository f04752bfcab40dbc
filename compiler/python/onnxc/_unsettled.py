"""Models that a run settles: inputs without a rank, and inputs with defaults that a run may replace.

A module has ranks, and takes initializers for constants. Where the compiler is at hand, the arrays of a run say both:
each combination is compiled when it first comes, and kept.
"""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import NamedTuple, Optional

import numpy as np

from . import _onnxc
from ._model import Model, threads_of

#: The problem of an input whose type isn't known.
_NO_TYPE = "E2027"


class Declared(NamedTuple):
    """An input or output as the model's file has it; the shape is None where the rank isn't known."""

    name: str
    dtype: str
    type: str
    shape: Optional[list]
    default: bool


class Unsettled(Model):
    """A model of which runs say the ranks of some inputs, or whether they have their defaults.

    ``module`` has all defaults, and is None where a rank is missing.
    """

    def __init__(self, source, how, module):
        super().__init__(module)
        self._source, self._how = source, how
        inputs, outputs = _onnxc.declared(source, how)
        given = {word.partition("=")[0] for word in how.inputs}
        self._declared = [Declared(*p) for p in inputs]
        self._optional = [p.name for p in self._declared if p.default and p.name not in given]
        self._rankless = [p.name for p in self._declared if p.shape is None and p.dtype and p.name not in given]
        self._results = [Declared(*p) for p in outputs]
        self._made = {}
        self._lock = threading.Lock()

    @classmethod
    def instead_of(cls, error, source, how):
        """The model for which compiling failed with ``error``, if all that is missing is ranks; else None."""
        wrong = [d for d in error.diagnostics if d.severity == "error"]
        if not wrong or any(d.code != _NO_TYPE for d in wrong):
            return None
        model = cls(source, how, None)
        return model if all(d.tensor in model._rankless for d in wrong) else None

    @property
    def name(self):
        return self._module.name if self._module else "model"

    @property
    def inputs(self):
        if self._module:
            return self._module.inputs
        return [p for p in self._declared if p.name not in self._optional]

    @property
    def outputs(self):
        return self._module.outputs if self._module else self._results

    @property
    def warnings(self):
        return [d for m in self._modules() for d in m.warnings]

    def run(self, /, *values, **named):
        replaced = {n: named.pop(n) for n in self._optional if n in named}
        values = self._in_order(values, named)
        if self._module and not replaced:
            return self._module.run(values)
        names = [p.name for p in self.inputs]
        if len(values) != len(names):
            raise TypeError(f"{len(values)} inputs were given (inputs: {', '.join(names)})")
        given = {**dict(zip(names, values)), **replaced}
        module = self._variant(given, replaced)
        return module.run([given[p.name] for p in module.inputs])

    def _variant(self, given, replaced):
        """The module for values of these ranks, with these inputs instead of their defaults."""
        ranks = {name: np.ndim(given[name]) for name in self._rankless if name in given}
        words = [f"{name}=" + ",".join("?" * rank) for name, rank in ranks.items()]
        words += [name for name in replaced if name not in ranks]
        with self._lock:
            module = self._made.get(tuple(words))
            if module is None:
                how = SimpleNamespace(**{**vars(self._how), "inputs": self._how.inputs + words})
                module = self._made[tuple(words)] = _onnxc.compile(self._source, how)
        return module

    def _modules(self):
        return ([self._module] if self._module else []) + list(self._made.values())

    def set_threads(self, threads):
        self._how.threads = threads_of(threads)
        return all([m.set_threads(self._how.threads) for m in self._modules()])

    def save(self, path):
        if self._module is None:
            names = ", ".join(self._rankless)
            raise ValueError(f"a file needs the ranks of all inputs: compile with inputs={{...}} for {names}")
        super().save(path)

    def __repr__(self):
        if self._module:
            return super().__repr__()
        return f"<onnxc.Model of inputs without ranks: {', '.join(p.name for p in self.inputs)}>"
