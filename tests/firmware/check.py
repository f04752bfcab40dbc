#!/usr/bin/env python3
"""Builds the firmware models as C for boards under QEMU, and as C and Rust for this machine, runs them and compares with the
stored outputs.

    python3 tests/firmware/check.py --onnxc target/release/onnxc [--targets m4,m55,rv32imac,host,rust-host,rust-m4]
                                    [--models lenet5,..] [--formats f32,qdq,qop] [--via llvm] [--keep DIR]

Prints a table: instructions of one inference, bytes of code, weights, workspace and stack, the bound of the stack that the
compiler reports, largest error. Exit code 1 if a
model doesn't build, gives other numbers, needs more stack than reported, or more memory, code or instructions than it may. Without the cross tools nothing is
tested, and that is said.
"""
import argparse, json, pathlib, shutil, subprocess, sys, tempfile

HERE = pathlib.Path(__file__).resolve().parent
MODELS = ["lenet5", "resnet8", "dscnn", "fcae", "mbv1"]
TRIPLES = {"m0": ("thumbv6m-none-eabi", None), "m4": ("thumbv7em-none-eabihf", "cortex-m4"), "m7": ("thumbv7em-none-eabihf", "cortex-m7"),
           "m33": ("thumbv8m.main-none-eabihf", "cortex-m33"), "m55": ("thumbv8.1m.main-none-eabihf", "cortex-m55"),
           "rv32imac": ("riscv32imac-unknown-none-elf", None), "rv32imafc": ("riscv32imafc-unknown-none-elf", None),
           "host": (None, None), "rust-host": (None, None), "rust-m4": ("thumbv7em-none-eabihf", "cortex-m4"),
           "aarch64": ("aarch64-unknown-linux-gnu", None), "neoverse-n1": ("aarch64-unknown-linux-gnu", "neoverse-n1"),
           "rv64v": ("riscv64gc-unknown-linux-gnu", "generic-rv64v"), "rv32v": ("riscv32imafc-unknown-none-elf", "generic-rv32v"),
           "xtensa": ("xtensa-unknown-none-elf", "generic"), "wasm32": ("wasm32-unknown-unknown", None)}
# Floats are compared with another order of sums; integers may differ by one step of the output, 1/256 after softmax.
ERRORS = {"f32": 1e-5, "qdq": 0.0040, "qop": 0.0040}
# What a module may need at most: instructions with GCC 12 on each target (millions) and bytes of workspace, of floats and of
# 8-bit integers. Code is below 20 KB everywhere.
INSNS = {"m4": {"lenet5": (1.4, 0.9), "resnet8": (50, 25), "dscnn": (9.5, 6.5), "fcae": (1.0, 0.58), "mbv1": (26, 20)},
         "m55": {"lenet5": (0.45, 0.25), "resnet8": (11.5, 4.8), "dscnn": (2.5, 1.8), "fcae": (0.22, 0.28), "mbv1": (7.2, 6.4)}}
WORKSPACE = {"lenet5": (23520, 6200), "resnet8": (131072, 49152), "dscnn": (32000, 16000), "fcae": (1024, 512), "mbv1": (221184, 55296)}
TEXT = 20 << 10
CLANG = "clang-22|clang-21|clang-20|clang-19|clang"
TOOLS = {"m": ["arm-none-eabi-gcc", "qemu-system-arm"], "rv": ["riscv64-unknown-elf-gcc", "qemu-system-riscv32"], "rv64v": ["riscv64-linux-gnu-gcc", "qemu-riscv64", CLANG],
         "rv32v": ["riscv64-unknown-elf-gcc", "qemu-system-riscv32", CLANG], "host": ["gcc"],
         "xtensa": ["xtensa-lx106-elf-ld", "qemu-system-xtensa", "llc-22", "llvm-mc-22", CLANG], "rust": ["rustc"],
         "aarch64": ["aarch64-linux-gnu-gcc", "qemu-aarch64"], "neoverse": ["aarch64-linux-gnu-gcc", "qemu-aarch64"], "wasm": ["node", "wasm-ld|wasm-ld-22|wasm-ld-21|wasm-ld-20|wasm-ld-19"]}


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--onnxc", required=True); a.add_argument("--targets", default="m4,rv32imafc"); a.add_argument("--models", default=",".join(MODELS))
    a.add_argument("--formats", default="f32"); a.add_argument("--keep"); a.add_argument("--cflags", default="-O2"); a.add_argument("--onnxc-flags", default="")
    a.add_argument("--via", default="c", choices=["c", "llvm"], help="write C for the board's compiler, or an object file by LLVM")
    o = a.parse_args()
    failed = False
    try:
        import numpy  # noqa: F401  measure.py reads arrays with it
    except ImportError:
        print("SKIPPED: firmware tests need python3-numpy")
        return 0
    print(f"{'model':12} {'target':10} {'insns':>12} {'text':>7} {'rodata':>9} {'workspace':>9} {'stack':>6} {'bound':>6} {'error':>9}")
    for target in o.targets.split(","):
        needed = next(tools for prefix, tools in sorted(TOOLS.items(), reverse=True) if target.startswith(prefix))
        needed = needed + TOOLS["m"] if target == "rust-m4" else needed
        missing = [t for t in needed if not any(map(shutil.which, t.split("|")))]
        if target == "rust-m4" and not missing and not has_core(TRIPLES[target][0]):
            missing = ["core library for thumbv7em-none-eabihf (rustup target add thumbv7em-none-eabihf): modules are built, not run"]
        if missing:
            print(f"SKIPPED: {target}: no {', '.join(missing)} (see tests/firmware/README.md)")
            if target != "rust-m4" or not shutil.which("rustc"):
                continue
        for fmt in o.formats.split(","):
            for model in o.models.split(","):
                with tempfile.TemporaryDirectory() as t:
                    d = pathlib.Path(o.keep or t) / f"{target}_{fmt}"
                    d.mkdir(parents=True, exist_ok=True)
                    suffix = "rs" if target.startswith("rust") else "c" if o.via == "c" else "o"
                    failed |= not one(o, model, fmt, target, d / f"{model}.{suffix}")
    return 1 if failed else 0


def has_core(triple):
    """True if Rust code for a machine can be compiled here."""
    r = subprocess.run(["rustc", "--print", "target-libdir", "--target", triple], capture_output=True, text=True)
    return r.returncode == 0 and any(pathlib.Path(r.stdout.strip()).glob("libcore-*"))


def wasm(o, model, fmt, out):
    """A module in node: the largest error and the bytes of the file."""
    import numpy as np, re
    x = np.load(HERE / f"models/{model}_in.npy").astype("<f4")[:4]
    want = np.load(HERE / f"models/{model}_out_{fmt}.npy").astype("<f4")[:4]
    x.tofile(out.parent / "in.bin"); want.tofile(out.parent / "out.bin")
    ws = re.search(r"_WORKSPACE_BYTES\s+(\d+)", out.with_suffix(".h").read_text())[1]
    r = subprocess.run(["node", HERE / "wasm.mjs", out, model, out.parent / "in.bin", out.parent / "out.bin", str(len(x)), ws], capture_output=True, text=True)
    name = f"{model}_{fmt}"
    if r.returncode:
        print(f"{name:12} wasm32     FAILED: {r.stderr.strip()[:300]}")
        return False
    error = float(r.stdout)
    print(f"{name:12} wasm32     {'-':>12} {out.stat().st_size:7,} {'-':>9} {int(ws):9,} {'-':>6} {'-':>6} {error:9.2g}{'' if error <= ERRORS[fmt] else '  WRONG'}", flush=True)
    return error <= ERRORS[fmt]


def one(o, model, fmt, target, out):
    triple, cpu = TRIPLES[target]
    if target == "wasm32":
        out = out.with_suffix(".wasm")
    machine_code = o.via == "llvm" or target == "wasm32"
    command = [o.onnxc, HERE / f"models/{model}_{fmt}.onnx", "-o", out, "--report", "json"] + o.onnxc_flags.split()
    command += (["--target", triple] if triple else []) + (["--target-cpu", cpu] if cpu else [])
    command += ["--backend", "llvm", "--name", model] if machine_code else []
    r = subprocess.run(command, capture_output=True, text=True)
    name, suffix = f"{model}_{fmt}", out.suffix
    if r.returncode:
        print(f"{name:12} {target:10} FAILED: {r.stderr.strip()[:300]}")
        return False
    if target == "wasm32":
        return wasm(o, model, fmt, out)
    # What a backend's own compiler puts on the stack isn't known before.
    bound = json.loads(r.stdout).get("stack_bytes") or 0
    if target == "rust-m4" and not has_core(triple):
        print(f"{name:12} {target:10} written")
        return True
    here = target in ("host", "rust-host")
    linux = target in ("aarch64", "neoverse-n1", "rv64v")
    how = ["host.py", out] if here else ["measure.py", out, "--target", "aarch64" if target == "neoverse-n1" else target.removeprefix("rust-")]
    how += ["--model", model, "--format", fmt, f"--cflags={o.cflags}"]
    r = subprocess.run([sys.executable, HERE / how[0], *how[1:]], capture_output=True, text=True)
    try:
        m = json.loads((r.stdout or r.stderr).strip().splitlines()[-1])
    except (IndexError, ValueError):
        m = {"error": r.stderr[-300:]}
    if "error" in m:
        print(f"{name:12} {target:10} FAILED: {m['error']}")
        return False
    # The driver's own frames are on the stack, too.
    good = m["max_error"] <= ERRORS[fmt] and (m.get("data", 0) == 0 or linux) and (machine_code or suffix == ".rs" or m.get("stack", 0) <= bound + 96)
    if here:
        print(f"{name:12} {target:10} {'':12} {'':7} {'':9} {m['workspace'] or 0:9,} {'':6} {bound:6,} {m['max_error']:9.2g}{'' if good else '  WRONG'}", flush=True)
        return good
    over = [] if o.onnxc_flags or machine_code or linux else beyond(model, fmt, target, m, o.cflags)
    good &= not over
    m["stack"] = m["stack"] or 0
    print(f"{name:12} {target:10} {m['instructions']:12,} {m['text']:7,} {m['rodata']:9,} {m['workspace']:9,} {m['stack']:6,} {bound:6,} {m['max_error']:9.2g}{'' if good else '  TOO MUCH: ' + ', '.join(over) if over else '  WRONG'}", flush=True)
    return good


def beyond(model, fmt, target, m, cflags):
    """What a module needs more of than it may."""
    kind = 0 if fmt == "f32" else 1
    most = {"workspace": WORKSPACE[model][kind], "text": TEXT}
    # Other compilers give other numbers.
    if target in INSNS and cflags == "-O2" and fmt != "qop" and gcc_version() == "12":
        insns = INSNS[target][model][kind]
        most["instructions"] = insns and int(insns * 1e6)
    return [f"{k} (at most {v:,})" for k, v in most.items() if v is not None and m[k] > v]


def gcc_version():
    r = subprocess.run(["arm-none-eabi-gcc", "-dumpversion"], capture_output=True, text=True)
    return r.stdout.split(".")[0]


if __name__ == "__main__":
    sys.exit(main())
