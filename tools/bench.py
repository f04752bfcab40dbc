#!/usr/bin/env python3
"""Measures models: time, and the same of ONNX Runtime and OpenVINO where they are installed; compile time, sizes, memory.

    tools/bench.py [--onnxc PATH] [--threads N] [--rounds N] [--seconds S] [--dim NAME=EXTENT].. [--json OUT] [MODEL|FOLDER]..

Without models: those of examples/ and tests/firmware/models/. The columns, per model:

    ms          a run of the compiled module: the median of the best round
    best peer   the peers' least time over it, the median over the rounds: above 1, onnxc is faster
    ort, ov     a run by ONNX Runtime, by OpenVINO (held to float32), in ms; called from Python, which costs them microseconds
    differs     the greatest difference from ONNX Runtime's outputs, in parts of their greatest value
    start ms    from the module's file to the first result: loading, memory, one run
    compile s   onnxc MODEL -o MODEL.so
    peak MB     memory of the compiler while it did that
    code, const, work    kB of machine code, of constants, of the workspace that a run needs

The engines run in turn, round after round, so that a machine that is slower for a while is slower for all of them. Needs
nothing but Python for the columns of onnxc; NumPy and onnxruntime (and openvino) for the others.
"""
import argparse
import json
import math
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent.parent
PEERS = {"ort": "onnxruntime", "ov": "openvino"}


def options():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--onnxc", default=str(HERE / "target/release/onnxc"))
    p.add_argument("--threads", type=int, default=1)
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument("--seconds", type=float, default=0.4, help="per engine and round")
    p.add_argument("--dim", action="append", default=[], metavar="NAME=EXTENT", help="extents of symbolic dims (else 1)")
    p.add_argument("--backend", help="the backend of onnxc")
    p.add_argument("--no-peers", action="store_true")
    p.add_argument("--json", metavar="OUT", help="also write the figures there")
    p.add_argument("models", nargs="*")
    return p.parse_args()


def models(given):
    """Files as they are; of folders, the models in them."""
    found = []
    for g in map(pathlib.Path, given or [HERE / "examples", HERE / "tests/firmware/models"]):
        found += sorted(g.rglob("*.onnx")) if g.is_dir() else [g]
    return found


def installed(module):
    import importlib.util

    return importlib.util.find_spec(module) is not None


# What needs an engine is this program again, in a process of its own. That also keeps this one small: the greatest memory of
# a process counts what the one that started it had.


def numpy_inputs(session, dims):
    """What `onnxc bench` makes for itself is alike: floats in [0, 1), integers in 0..900 (a byte: 0..100)."""
    import numpy as np

    kinds = {"tensor(float)": "f4", "tensor(double)": "f8", "tensor(float16)": "f2", "tensor(int64)": "i8", "tensor(int32)": "i4",
             "tensor(int8)": "i1", "tensor(uint8)": "u1", "tensor(int16)": "i2", "tensor(uint16)": "u2", "tensor(bool)": "?"}
    rng, out = np.random.default_rng(0), {}
    for i in session.get_inputs():
        dtype = np.dtype(kinds[i.type])
        shape = [d if isinstance(d, int) else dims.get(d, 1) for d in i.shape]
        if dtype.kind == "f":
            out[i.name] = rng.random(shape).astype(dtype)
        elif i.name == "mask" or dtype.kind == "b":
            out[i.name] = np.ones(shape, dtype)
        else:
            out[i.name] = rng.integers(0, 100 if dtype.itemsize == 1 else 900, shape).astype(dtype)
    return out


def ort_session(path, threads):
    import onnxruntime as ort

    so = ort.SessionOptions()
    so.intra_op_num_threads, so.inter_op_num_threads, so.log_severity_level = threads, 1, 3
    return ort.InferenceSession(path, so, providers=["CPUExecutionProvider"])


def reference(path, threads, folder, dims):
    """Inputs, and ONNX Runtime's outputs for them, as .npz files in a folder."""
    import numpy as np

    session = ort_session(path, threads)
    x = numpy_inputs(session, dims)
    np.savez(f"{folder}/in.npz", **x)
    outputs = zip((o.name for o in session.get_outputs()), session.run(None, x))
    np.savez(f"{folder}/want.npz", **{n: v for n, v in outputs if isinstance(v, np.ndarray) and v.dtype.kind in "fiu"})


def peer(engine, path, threads, inputs):
    """Answers each line, a number of seconds, with a time in ms; first of all with that of its start."""
    import numpy as np

    x = dict(np.load(inputs))
    begun = time.perf_counter()
    if engine == "ort":
        session = ort_session(path, threads)
        run = lambda: session.run(None, x)
    else:
        import openvino as ov

        hints = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
        request = ov.Core().compile_model(path, "CPU", hints).create_infer_request()
        run = lambda: [np.array(v) for v in request.infer(x, share_inputs=True, share_outputs=True).values()]
    run()
    print((time.perf_counter() - begun) * 1e3, flush=True)
    for line in sys.stdin:
        times, end = [], time.perf_counter() + float(line)
        while len(times) < 3 or time.perf_counter() < end:
            t = time.perf_counter()
            run()
            times.append(time.perf_counter() - t)
        print(statistics.median(times) * 1e3, flush=True)


class Peer:
    def __init__(self, engine, path, threads, inputs):
        command = [sys.executable, __file__, "--peer", engine, str(path), str(threads), inputs]
        env = dict(os.environ, OMP_NUM_THREADS=str(threads))
        pipes = dict(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.process = subprocess.Popen(command, env=env, **pipes)
        line = self.process.stdout.readline()
        # An engine that can't run a model says so by ending.
        self.start_ms = float(line) if line.strip() else None

    def measure(self, seconds):
        self.process.stdin.write(f"{seconds}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Compiled:
    """A model, compiled by onnxc as a user would."""

    def __init__(self, o, path, folder):
        self.o, self.so, self.folder = o, f"{folder}/{path.stem}.so", folder
        build = ["--threads", str(o.threads)] + (["--backend", o.backend] if o.backend else [])
        begun = time.perf_counter()
        command = [o.onnxc, str(path), "-o", self.so, "--report", "json"] + build
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        out, err = process.stdout.read(), process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.seconds = time.perf_counter() - begun
        if process.returncode:
            raise RuntimeError(err.strip().splitlines()[0] if err.strip() else f"onnxc ended with {process.returncode}")
        self.report = json.loads(out)
        # Linux counts in kB, macOS in bytes.
        self.peak_mb = usage.ru_maxrss / (1024 if sys.platform != "darwin" else 1 << 20)

    def measure(self, seconds, inputs=None):
        command = [self.o.onnxc, "bench", self.so, "--threads", str(self.o.threads), "--seconds", str(seconds), "--json"]
        command += sum((["--dim", d] for d in self.o.dim), []) + (["--inputs", inputs] if inputs else [])
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr.strip().splitlines()[0])
        return json.loads(done.stdout)

    def difference(self, inputs):
        import numpy as np

        out = f"{self.folder}/out.npz"
        subprocess.run([self.o.onnxc, "run", self.so, "--inputs", inputs, "--outputs", out], check=True, capture_output=True)
        have, worst = np.load(out), 0.0
        for name, want in np.load(f"{self.folder}/want.npz").items():
            if want.size:
                scale = max(1e-6, float(np.abs(want.astype("f8")).max()))
                worst = max(worst, float(np.abs(have[name].astype("f8") - want.astype("f8")).max()) / scale)
        return worst


def one(o, path, folder, engines):
    """A model's row."""
    ours = Compiled(o, path, folder)
    row = {"model": path.stem, "threads": o.threads, "compile_s": ours.seconds, "compiler_peak_mb": ours.peak_mb}
    row |= {k: ours.report[k] for k in ("code_bytes", "constant_bytes", "workspace_bytes", "kernels")}
    inputs, peers = None, {}
    if "ort" in engines:
        command = [sys.executable, __file__, "--reference", str(path), str(o.threads), folder] + o.dim
        # A model that it refuses has no peers: nobody says what its inputs are.
        if subprocess.run(command, capture_output=True).returncode == 0:
            inputs = f"{folder}/in.npz"
            peers = {e: Peer(e, path, o.threads, inputs) for e in engines}
            row["difference"] = ours.difference(inputs)
    alive = {e: p for e, p in peers.items() if p.start_ms is not None}
    mine, theirs = [], {e: [] for e in alive}
    for _ in range(o.rounds):
        mine.append(ours.measure(o.seconds, inputs))
        for e, p in alive.items():
            theirs[e].append(p.measure(o.seconds))
    for p in peers.values():
        p.close()
    row["ms"] = min(m["median_ms"] for m in mine)
    row["start_ms"] = min(m["load_ms"] + m["first_ms"] for m in mine)
    for e in alive:
        row |= {f"{e}_ms": min(theirs[e]), f"{e}_start_ms": alive[e].start_ms}
    if alive:
        row["ratio"] = statistics.median(min(theirs[e][i] for e in alive) / mine[i]["median_ms"] for i in range(o.rounds))
    return row


COLUMNS = [("ms", "ms", 11, ".4f"), ("ratio", "best peer", 10, ".2f"), ("ort_ms", "ort", 11, ".4f"), ("ov_ms", "ov", 11, ".4f"),
           ("difference", "differs", 9, ".1e"), ("start_ms", "start ms", 10, ".2f"), ("compile_s", "compile s", 10, ".2f"),
           ("compiler_peak_mb", "peak MB", 9, ".0f")]
SIZES = [("code_bytes", "code"), ("constant_bytes", "const"), ("workspace_bytes", "work")]


def text(row):
    cells = [f"{row[k]:{w}{f}}" if k in row else f"{'-':>{w}}" for k, _, w, f in COLUMNS]
    size = lambda v: f"{v / 1e3:9.1f}" if isinstance(v, (int, float)) else f"{'dims':>9}"
    return f"{row['model']:<24}" + "".join(cells) + "".join(size(row[k]) for k, _ in SIZES)


def main():
    if sys.argv[1:2] == ["--peer"]:
        engine, path, threads, inputs = sys.argv[2:]
        return peer(engine, path, int(threads), inputs)
    if sys.argv[1:2] == ["--reference"]:
        path, threads, folder, *dims = sys.argv[2:]
        return reference(path, int(threads), folder, {n: int(v) for n, v in (d.split("=") for d in dims)})
    o = options()
    engines = [] if o.no_peers or not installed("numpy") else [e for e, m in PEERS.items() if installed(m)]
    print(f"{'model':<24}" + "".join(f"{t:>{w}}" for _, t, w, _ in COLUMNS) + "".join(f"{t:>9}" for _, t in SIZES), flush=True)
    rows = []
    for path in models(o.models):
        with tempfile.TemporaryDirectory() as folder:
            try:
                rows.append(one(o, path, folder, engines))
                print(text(rows[-1]), flush=True)
            except (RuntimeError, subprocess.CalledProcessError, OSError) as e:
                rows.append({"model": path.stem, "error": str(e)})
                print(f"{path.stem:<24} {str(e)[:120]}", flush=True)
    ratios = [r["ratio"] for r in rows if "ratio" in r]
    if ratios:
        mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
        print(f"\nbest peer: geometric mean {mean:.2f} over {len(ratios)} models, least {min(ratios):.2f}")
    if o.json:
        pathlib.Path(o.json).write_text(json.dumps(rows, indent=1) + "\n")
    return 0 if all("error" not in r for r in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
