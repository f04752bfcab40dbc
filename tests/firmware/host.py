#!/usr/bin/env python3
"""Build a generated module (C or Rust) for this machine, run it, and print one JSON line.

    python3 host.py MODULE.c|MODULE.rs --model lenet5 --format f32|qdq|qop [--cc gcc] [--cflags="-O2"]

C must compile without a warning of the strict ones, and its object leaves no symbol open but those that its header lists.
Printed: workspace bytes and the largest difference from ONNX Runtime over the stored cases.
"""
import argparse, json, pathlib, re, shutil, subprocess, tempfile
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
STRICT = "-std=c99 -pedantic -Wall -Wextra -Werror -Wconversion"
MAIN_C = """
#include <stdio.h>
#include <stdint.h>
#include "{name}.h"
static uint64_t ws[({upper}_WORKSPACE_BYTES + 15) / 8];
static float x[{nin}], y[{nout}];
int main(void) {{
    while (fread(x, 4, {nin}, stdin) == {nin}) {{
        int s = {name}_run(x, y, ws);
        if (s) return s;
        fwrite(y, 4, {nout}, stdout);
    }}
    return 0;
}}
"""
MAIN_RS = """
#[path = "{path}"] mod model;
use std::io::{{Read, Write}};
fn main() {{
    let mut all = vec![];
    std::io::stdin().read_to_end(&mut all).unwrap();
    let mut ws = Box::new(model::Workspace::new());
    for case in all.chunks_exact(4 * {nin}) {{
        let x: Vec<f32> = case.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        let mut y = [0f32; {nout}];
        if let Err(s) = model::run(x.as_slice().try_into().unwrap(), &mut y, &mut ws) {{ std::process::exit(s.0) }}
        for v in y {{ std::io::stdout().write_all(&v.to_le_bytes()).unwrap(); }}
    }}
}}
"""


def must(command, **kw):
    r = subprocess.run(command, shell=True, capture_output=True, **kw)
    if r.returncode:
        raise SystemExit(json.dumps({"error": (r.stderr or b"").decode(errors="replace")[-500:] or f"exit {r.returncode}", "command": command}))
    return r.stdout


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("module"); a.add_argument("--model", required=True); a.add_argument("--format", default="f32")
    a.add_argument("--cc", default="gcc"); a.add_argument("--cflags", default="-O2"); a.add_argument("--cases", type=int, default=4)
    o = a.parse_args()
    module = pathlib.Path(o.module).resolve()
    name = module.stem
    x = np.load(HERE / f"models/{o.model}_in.npy").astype(np.float32)[: o.cases]
    want = np.load(HERE / f"models/{o.model}_out_{o.format}.npy")[: o.cases].reshape(len(x), -1)
    x = x.reshape(len(x), -1)
    with tempfile.TemporaryDirectory() as t:
        d = pathlib.Path(t)
        names = dict(name=name, upper=name.upper(), nin=x.shape[1], nout=want.shape[1], path=module)
        if module.suffix == ".rs":
            (d / "main.rs").write_text(MAIN_RS.format(**names))
            must(f"rustc --edition 2021 -A warnings -C opt-level=1 {d}/main.rs -o {d}/run")
            workspace = None
        else:
            (d / "main.c").write_text(MAIN_C.format(**names))
            must(f"{o.cc} {STRICT} {o.cflags} -I{module.parent} -c {module} -o {d}/module.o")
            open_symbols(d / "module.o", (module.parent / f"{name}.h").read_text())
            must(f"gcc -O1 -I{module.parent} {d}/main.c {d}/module.o -o {d}/run")
            workspace = int(re.search(r"WORKSPACE_BYTES\s+(\d+)", (module.parent / f"{name}.h").read_text())[1])
        got = np.frombuffer(must(str(d / "run"), input=x.tobytes()), np.float32)
        if got.size != want.size:
            raise SystemExit(json.dumps({"error": f"{got.size} of {want.size} outputs"}))
        print(json.dumps(dict(module=name, workspace=workspace, max_error=float(np.abs(got.reshape(want.shape) - want).max()))))


def open_symbols(obj, header):
    """What an object needs from elsewhere is what the header lists, and what compilers call themselves."""
    listed = re.search(r"Symbols needed from elsewhere: (.*?);", header)
    allowed = set((listed[1] if listed else "").split(", ")) | {"memcpy", "memset", "memmove", "_GLOBAL_OFFSET_TABLE_"}
    if not shutil.which("nm"):
        return
    found = {line.split()[-1] for line in must(f"nm -u {obj}").decode().splitlines() if line.strip()}
    if found - allowed:
        raise SystemExit(json.dumps({"error": f"the header doesn't list these symbols: {sorted(found - allowed)}"}))


if __name__ == "__main__":
    main()
