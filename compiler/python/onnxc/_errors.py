"""Problems of a model or of its inputs, as the compiler found them."""

from __future__ import annotations

from typing import NamedTuple, Optional


class Place(NamedTuple):
    """Where a problem is; parts that are unknown are None (or empty)."""

    file: Optional[str]
    scope: str
    node: Optional[str]
    op: Optional[str]
    tensor: Optional[str]


class Diagnostic:
    """One problem: what was found, where, what was expected, and what to do.

    ``str()`` renders it as the command line does.
    """

    __slots__ = ("severity", "code", "message", "place", "expected", "help", "_text")

    def __init__(self, severity, code, message, place, expected, help, text):
        self.severity = severity
        self.code = code
        self.message = message
        self.place = Place(*place)
        self.expected = expected
        self.help = help
        self._text = text

    @property
    def node(self) -> Optional[str]:
        """The node's name, if the problem is at a node."""
        return self.place.node

    @property
    def op(self) -> Optional[str]:
        """The node's operator."""
        return self.place.op

    @property
    def tensor(self) -> Optional[str]:
        """The tensor concerned."""
        return self.place.tensor

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"<onnxc.Diagnostic {self.severity}[{self.code}]: {self.message}>"


class OnnxcError(Exception):
    """A model can't be compiled, or a module can't be run: all problems found, in ``diagnostics``."""

    def __init__(self, text, diagnostics=()):
        super().__init__(text)
        self.diagnostics = list(diagnostics)

    @property
    def code(self) -> Optional[str]:
        """The code of the first error."""
        return next((d.code for d in self.diagnostics if d.severity == "error"), None)
