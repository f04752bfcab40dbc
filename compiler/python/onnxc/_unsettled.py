"""Models that a run settles: inputs without a rank, inputs with defaults that a run may replace, and branches whose
results have different ranks.

A module has ranks, takes initializers for constants, and has one of such branches. Where the compiler is at hand, a run
says all that: each combination is compiled when it first comes, and kept.
"""

from __future__ import annotations

import re
import threading
from types import SimpleNamespace
from typing import NamedTuple, Optional

import numpy as np

from . import _onnxc
from ._errors import OnnxcError
from ._model import Model, threads_of

#: The problem of an input whose type isn't known.
_NO_TYPE = "E2027"
#: The warning that a branch was chosen, and what a run that needs the other one says.
_CHOSEN = "E2053"
_OTHER_BRANCH = re.compile(r"node '([^']*)' \(If\): the model was compiled for the other branch")


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
        # Branches by node, as the last run had them.
        self._branches = {}
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
        names = [p.name for p in self.inputs]
        if len(values) != len(names):
            raise TypeError(f"{len(values)} inputs were given (inputs: {', '.join(names)})")
        given = {**dict(zip(names, values)), **replaced}
        ranks = {name: np.ndim(given[name]) for name in self._rankless if name in given}
        inputs = [f"{name}=" + ",".join("?" * rank) for name, rank in ranks.items()]
        inputs += [name for name in replaced if name not in ranks]
        branches, tried = self._branches, []
        while True:
            module = self._variant(inputs, branches)
            try:
                results = module.run([given[p.name] for p in module.inputs])
            except OnnxcError as error:
                tried.append(branches)
                branches = self._turned(error, module, branches)
                if branches is None or branches in tried or not self._fits(inputs, branches):
                    raise
                continue
            self._branches = branches
            return results

    def _variant(self, inputs, branches):
        """The module for these inputs and branches, as the command line writes them."""
        words = (tuple(inputs), tuple(f"{n}={b}" for n, b in branches.items()))
        if self._module and words == ((), ()):
            return self._module
        with self._lock:
            module = self._made.get(words)
            if module is None:
                own = vars(self._how)
                more = {"inputs": own["inputs"] + list(words[0]), "branches": own["branches"] + list(words[1])}
                module = self._made[words] = _onnxc.compile(self._source, SimpleNamespace(**{**own, **more}))
        return module

    def _fits(self, inputs, branches):
        """Can the model be compiled so?"""
        try:
            self._variant(inputs, branches)
        except OnnxcError:
            return False
        return True

    def _turned(self, error, module, branches):
        """The branches with that turned which a run has failed for; None if it has failed for another reason, or the user
        has chosen it."""
        found = _OTHER_BRANCH.search(str(error))
        if found is None:
            return None
        node = found[1]
        taken = branches.get(node) or next((_branch(d) for d in module.warnings if d.code == _CHOSEN and d.node == node), None)
        if taken is None:
            return None
        return {**branches, node: "else" if taken == "then" else "then"}

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


def _branch(warning):
    """The branch that a warning says was chosen."""
    found = re.search(r"'(then|else)' branch", warning.message)
    return found and found[1]
