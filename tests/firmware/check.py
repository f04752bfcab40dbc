#!/usr/bin/env python3
"""Builds the firmware models as C for boards under QEMU, runs them and compares with the stored outputs.

    python3 tests/firmware/check.py --onnxc target/release/onnxc [--targets m4,rv32imafc] [--models lenet5,..] [--formats f32] [--keep DIR]

Prints a table: instructions of one inference, bytes of code, weights, workspace and stack, largest error. Exit code 1 if a
model doesn't build, gives other numbers, or needs more than one of the limits below. Without the cross tools nothing is
tested, and that is said.
"""
import argparse, json, pathlib, shutil, subprocess, sys, tempfile

HERE = pathlib.Path(__file__).resolve().parent
MODELS = ["lenet5", "resnet8", "dscnn", "fcae", "mbv1"]
TRIPLES = {"m0": ("thumbv6m-none-eabi", None), "m4": ("thumbv7em-none-eabihf", "cortex-m4"), "m7": ("thumbv7em-none-eabihf", "cortex-m7"),
           "m33": ("thumbv8m.main-none-eabihf", "cortex-m33"), "m55": ("thumbv8.1m.main-none-eabihf", "cortex-m55"),
           "rv32imac": ("riscv32imac-unknown-none-elf", None), "rv32imafc": ("riscv32imafc-unknown-none-elf", None)}
# Floats are compared with another order of sums; integers may differ by one step of the output, 1/256 after softmax.
ERRORS = {"f32": 1e-5, "qdq": 0.0040, "qop": 0.0040}
TOOLS = {"m": ["arm-none-eabi-gcc", "qemu-system-arm"], "r": ["riscv64-unknown-elf-gcc", "qemu-system-riscv32"]}


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--onnxc", required=True); a.add_argument("--targets", default="m4,rv32imafc"); a.add_argument("--models", default=",".join(MODELS))
    a.add_argument("--formats", default="f32"); a.add_argument("--keep"); a.add_argument("--cflags", default="-O2"); a.add_argument("--onnxc-flags", default="")
    o = a.parse_args()
    failed = False
    try:
        import numpy  # noqa: F401  measure.py reads arrays with it
    except ImportError:
        print("SKIPPED: firmware tests need python3-numpy")
        return 0
    print(f"{'model':12} {'target':10} {'insns':>12} {'text':>7} {'rodata':>9} {'workspace':>9} {'stack':>6} {'error':>9}")
    for target in o.targets.split(","):
        missing = [t for t in TOOLS[target[0]] if not shutil.which(t)]
        if missing:
            print(f"SKIPPED: {target}: no {', '.join(missing)} (see tests/firmware/README.md)")
            continue
        for fmt in o.formats.split(","):
            for model in o.models.split(","):
                with tempfile.TemporaryDirectory() as t:
                    d = pathlib.Path(o.keep or t) / f"{target}_{fmt}"
                    d.mkdir(parents=True, exist_ok=True)
                    failed |= not one(o, model, fmt, target, d / f"{model}.c")
    return 1 if failed else 0


def one(o, model, fmt, target, out):
    triple, cpu = TRIPLES[target]
    command = [o.onnxc, HERE / f"models/{model}_{fmt}.onnx", "--target", triple, "-o", out] + (["--target-cpu", cpu] if cpu else []) + o.onnxc_flags.split()
    r = subprocess.run(command, capture_output=True, text=True)
    name = f"{model}_{fmt}"
    if r.returncode:
        print(f"{name:12} {target:10} FAILED: {r.stderr.strip()[:300]}")
        return False
    r = subprocess.run([sys.executable, HERE / "measure.py", out, "--model", model, "--format", fmt, "--target", target, f"--cflags={o.cflags}"], capture_output=True, text=True)
    try:
        m = json.loads((r.stdout or r.stderr).strip().splitlines()[-1])
    except (IndexError, ValueError):
        m = {"error": r.stderr[-300:]}
    if "error" in m:
        print(f"{name:12} {target:10} FAILED: {m['error']}")
        return False
    good = m["max_error"] <= ERRORS[fmt] and m["data"] == 0
    print(f"{name:12} {target:10} {m['instructions']:12,} {m['text']:7,} {m['rodata']:9,} {m['workspace']:9,} {m['stack']:6,} {m['max_error']:9.2g}{'' if good else '  WRONG'}", flush=True)
    return good


if __name__ == "__main__":
    sys.exit(main())
