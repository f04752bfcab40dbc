"""Runs functions in worker processes: each with a time limit, none able to harm another.

Afterwards there is a result for every function: None, or one line that says what went wrong. Needs ``fork``.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
import time
import traceback
from multiprocessing.connection import wait

_FORK = multiprocessing.get_context("fork")


def run_all(functions, jobs, limit, verbose=False):
    """Results by name, in the order of names."""
    waiting = list(functions)[::-1]
    results = {}
    crew = [_Worker(functions, verbose) for _ in range(max(1, min(jobs, len(waiting))))]
    while waiting or any(w.name for w in crew):
        for i, w in enumerate(crew):
            if w.name is None and waiting:
                w.give(waiting.pop())
        wait([w.pipe for w in crew if w.name], timeout=0.5)
        for i, w in enumerate(crew):
            if w.name is None:
                continue
            done, why = w.poll(limit)
            if done:
                results[w.name] = why
                w.name = None
            if not w.process.is_alive():
                crew[i] = _Worker(functions, verbose)
    for w in crew:
        w.end()
    return {name: results[name] for name in functions}


class _Worker:
    """One process and what it is doing."""

    def __init__(self, functions, verbose):
        self.pipe, theirs = _FORK.Pipe()
        self.process = _FORK.Process(target=_serve, args=(theirs, functions, verbose), daemon=True)
        self.process.start()
        theirs.close()
        self.name, self.since = None, 0.0

    def give(self, name):
        self.name, self.since = name, time.monotonic()
        self.pipe.send(name)

    def poll(self, limit):
        """Whether the function has ended, and how."""
        try:
            if self.pipe.poll():
                return True, self.pipe.recv()
        except (EOFError, ConnectionResetError):
            self.process.join()
            code = self.process.exitcode
            return True, f"crash: {signal.Signals(-code).name if code < 0 else f'exit code {code}'}"
        if time.monotonic() - self.since > limit:
            self.process.kill()
            self.process.join()
            return True, f"hang: more than {limit:.0f} s"
        return False, None

    def end(self):
        self.pipe.close()
        self.process.join(5)


def _serve(pipe, functions, verbose):
    """The worker: a name comes in, a result goes out."""
    while True:
        try:
            name = pipe.recv()
        except EOFError:
            return
        try:
            functions[name](None)
            why = None
        except BaseException as e:  # noqa: BLE001 - also what PyO3 makes of a panic
            why = summary(e)
            if verbose:
                print(f"--- {name}", *traceback.format_exception(e), sep="\n", file=sys.stderr, flush=True)
        pipe.send(why)


def summary(e):
    """One line of an exception."""
    diagnostics = [d for d in getattr(e, "diagnostics", []) if d.severity == "error"]
    if diagnostics:
        d = diagnostics[0]
        at = f" ({d.op})" if d.op else ""
        return f"{d.code}{at} {d.message.splitlines()[0]}"
    lines = [s.strip() for s in str(e).splitlines() if s.strip() and not s.strip().startswith("Arrays are not")]
    kind = "wrong" if isinstance(e, AssertionError) else type(e).__name__
    return f"{kind}: {'; '.join(lines[:3])}"[:200]
