"""The list of cases that fail, with reasons: reading, comparing, writing.

A section per run; in it a line per case: the name, a colon, the reason.
"""

from __future__ import annotations

HEADER = """\
# Cases of ONNX's official backend suite (onnx 1.23.2) that fail, for each run: a backend and a mode.
# Checked by compiler/python/tests/conformance.py; --bless rewrites the list and keeps the reasons.
# A reason is either what the standard leaves open, or names what is missing.
"""


class Expectations:
    """Reasons by run and case."""

    def __init__(self, runs):
        self.runs = runs

    @classmethod
    def read(cls, path):
        """The list in a file; an empty one if there is no file. A line that is none raises ValueError."""
        runs, section = {}, None
        text = path.read_text() if path.exists() else ""
        for number, line in enumerate(text.splitlines(), 1):
            line = line.strip()
            if not line or line.startswith("#"):
                continue
            if line.startswith("[") and line.endswith("]"):
                section = runs.setdefault(line[1:-1], {})
                continue
            name, colon, why = line.partition(": ")
            if section is None or not colon or name in section:
                raise ValueError(f"{path}:{number}: not 'case: reason' in a section, or a case twice")
            section[name] = why
        return cls(runs)

    def compare(self, run, results):
        """Prints what is not as listed; true if nothing is."""
        listed = self.runs.get(run, {})
        fresh = {n: why for n, why in results.items() if why and n not in listed}
        mended = [n for n in listed if n in results and results[n] is None]
        for name, why in fresh.items():
            print(f"  now fails: {name}: {why}")
        for name in mended:
            print(f"  now passes, though listed: {name}")
        return not fresh and not mended

    def bless(self, run, results):
        """Takes over the results of a run; cases that weren't run stay as they are."""
        listed = self.runs.get(run, {})
        now = {n: listed.get(n, why) for n, why in results.items() if why}
        rest = {n: why for n, why in listed.items() if n not in results}
        self.runs[run] = dict(sorted({**now, **rest}.items()))

    def write(self, path):
        """Writes the list."""
        parts = [HEADER]
        for run, cases in sorted(self.runs.items()):
            parts.append(f"\n[{run}]\n" + "".join(f"{n}: {why}\n" for n, why in cases.items()))
        path.write_text("".join(parts))
