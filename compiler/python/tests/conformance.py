#!/usr/bin/env python3
"""Runs ONNX's official backend suite over onnxc.backend, in several ways, and compares with the list of failures.

    conformance.py [--run cranelift --run llvm-symbolic ...] [--filter REGEX] [--jobs N] [--bless] [--results FILE]

A *run* is a backend and a mode: ``cranelift``, ``llvm`` (as the suite does it), ``-symbolic`` (every extent of every
input unknown when the model is compiled) or ``-constant`` (every input but the first one part of the model).

``tests/conformance.txt`` lists the cases that fail in each run, with the reason. Afterwards the exit code is 0 exactly
if the same cases failed; ``--bless`` rewrites the list, keeping the reasons that people wrote, and, after a run of all
cases, ``tests/conformance.json`` beside it, from which ``tools/operators.sh`` makes the page of operators.

Each case runs in a worker process with a time limit: a crash or a hang is that case's failure and ends nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from coverage_table import coverage
from expectations import Expectations
from modes import MODES, backend_class
from workers import run_all

EXPECTED = Path(__file__).resolve().parents[3] / "tests" / "conformance.txt"
# How many cases pass for each operator, for the page of operators.
COVERAGE = EXPECTED.with_suffix(".json")
# Cases of the suite's folders that come with the package; "Real" ones would have to be fetched.
CATEGORIES = ("Node", "Simple", "PyTorchConverted", "PyTorchOperator")


def cases(cls):
    """The suite's test functions by name, in its own form, for the processor."""
    import onnx.backend.test.runner as official

    runner = official.Runner(cls, __name__)
    found = {}
    for category in CATEGORIES:
        for name, item in runner._test_items[category + "Model"].items():
            if name.endswith("_cpu"):
                found[name[: -len("_cpu")]] = item.func
    return dict(sorted(found.items()))


def runs_of_this_build():
    """Every backend as the suite does it; the other modes, which test what comes before a backend, with one of them."""
    import onnxc

    one = "cranelift" if "cranelift" in onnxc.backends else onnxc.backends[0]
    return sorted(onnxc.backends) + [one + m for m in MODES if m]


def execute(run, pattern, jobs, limit, verbose):
    """Results of one run: for each case None or what went wrong."""
    backend, _, mode = run.partition("-")
    functions = cases(backend_class(backend, "-" + mode if mode else ""))
    names = [n for n in functions if not pattern or re.search(pattern, n)]
    start = time.time()
    results = run_all({n: functions[n] for n in names}, jobs, limit, verbose)
    failed = sum(1 for why in results.values() if why)
    print(f"{run}: {len(names) - failed} of {len(names)} cases pass ({time.time() - start:.0f} s)", flush=True)
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", action="append", help="a backend and a mode; all of this build if left out")
    parser.add_argument("--filter", help="only cases whose name this regular expression finds")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="worker processes")
    parser.add_argument("--limit", type=float, default=60, help="seconds that a case may take")
    parser.add_argument("--expected", type=Path, default=EXPECTED, help="the list of failing cases")
    parser.add_argument("--bless", action="store_true", help="rewrite the list")
    parser.add_argument("--results", type=Path, help="write all results to this file, as JSON")
    parser.add_argument("-v", "--verbose", action="store_true", help="print every failure in full")
    args = parser.parse_args()

    expected, everything, good = Expectations.read(args.expected), {}, True
    for run in args.run or runs_of_this_build():
        results = execute(run, args.filter, args.jobs, args.limit, args.verbose)
        everything[run] = results
        if args.bless:
            expected.bless(run, results)
        else:
            good &= expected.compare(run, results)
    if args.bless:
        expected.write(args.expected)
        if not args.filter and args.expected == EXPECTED:
            COVERAGE.write_text(coverage(everything, COVERAGE))
    if args.results:
        args.results.write_text(json.dumps(everything, indent=1) + "\n")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
