#!/usr/bin/env python3
"""The official ONNX backend cases through the source backends: every model becomes text, a batch becomes one program.

    python3 tests/suite/source.py --onnxc target/debug/onnxc --language c|rust [--only REGEX] [--batch 40] [--cflags=".."] [--json OUT]
                                  [--expect tests/suite/c.txt [--update]] [--part 0/2] [--jobs N]

Needs the package onnx (for the cases) and numpy, and gcc or rustc. C is compiled with -fsanitize=address,undefined. Cases that
need memory during the run, strings, sequences or several possible shapes are counted as 'not for source'.
Exit code 0 unless a case gives wrong numbers, doesn't compile as C or Rust, or crashes; with --expect exactly if the cases that
don't pass are those that the file lists. Batches run on --jobs processes (all processors, if nothing is said).
"""
import argparse, collections, json, multiprocessing, os, pathlib, re, shutil, subprocess, sys, tempfile
import numpy as np, onnx
from onnx import numpy_helper

TYPES = {"float32": ("float", "f32"), "float64": ("double", "f64"), "int8": ("int8_t", "i8"), "int16": ("int16_t", "i16"), "int32": ("int32_t", "i32"),
         "int64": ("int64_t", "i64"), "uint8": ("uint8_t", "u8"), "uint16": ("uint16_t", "u16"), "uint32": ("uint32_t", "u32"), "uint64": ("uint64_t", "u64"),
         **{f"float{k}": ("uint8_t", "u8") for k in ("8_e4m3fn", "8_e4m3fnuz", "8_e5m2", "8_e5m2fnuz", "8_e8m0fnu", "4_e2m1fn")},
         "bool": ("uint8_t", "u8"), "float16": ("uint16_t", "u16"), "bfloat16": ("uint16_t", "u16")}


# Integers of fewer bits than a byte: an element is the low bits of a byte.
NARROW = {"int2": 3, "uint2": 3, "int4": 15, "uint4": 15}


def cases(only):
    """The suite's cases: name, model, inputs, outputs, tolerances. What isn't a tensor is None."""
    from onnx.backend.test.loader import load_model_tests

    for kind in ("node", "simple", "pytorch-operator", "pytorch-converted"):
        for t in sorted(load_model_tests(kind=kind), key=lambda t: t.name):
            if not only or re.search(only, t.name):
                yield t


def arrays(case, model):
    """Inputs and outputs of the first data set."""
    given = {x.name for x in model.graph.initializer}
    inputs = [x for x in model.graph.input if x.name not in given]
    if case.data_sets:
        return inputs, *[[tensor(v) for v in part] for part in case.data_sets[0]]
    data = pathlib.Path(case.model_dir) / "test_data_set_0"
    return inputs, [load(data / f"input_{k}.pb", x.type) for k, x in enumerate(inputs)], [load(data / f"output_{k}.pb", x.type) for k, x in enumerate(model.graph.output)]


def load(path, proto_type):
    if proto_type.WhichOneof("value") != "tensor_type" or not path.exists():
        return None
    t = onnx.TensorProto()
    t.ParseFromString(path.read_bytes())
    return tensor(t)


def tensor(v):
    """An array of a machine type, or None."""
    a = numpy_helper.to_array(v) if isinstance(v, onnx.TensorProto) else v
    if not isinstance(a, (np.ndarray, np.generic)):
        return None
    a = np.asarray(a)
    a = a.astype(np.int8).view(np.uint8) & np.uint8(NARROW[str(a.dtype)]) if str(a.dtype) in NARROW else a
    return a if str(a.dtype) in TYPES else None


def prepare(case, work, i, o):
    """Writes the source of one case. Returns a description, or the reason why not."""
    path = work / f"model{i}.onnx"
    if case.model is not None:
        path.write_bytes(case.model.SerializeToString())
    else:
        path = pathlib.Path(case.model_dir) / "model.onnx"
    model = onnx.load(path, load_external_data=False)
    inputs, xs, ys = arrays(case, model)
    if any(v is None for v in xs + ys) or len(xs) != len(inputs):
        return "no tensors of machine types"
    dims = {}
    for x, v in zip(inputs, xs):
        for e, n in zip(x.type.tensor_type.shape.dim, v.shape):
            if e.dim_param:
                dims[e.dim_param] = n
    name = f"case{i}"
    out = work / f"{name}.{'c' if o.language == 'c' else 'rs'}"
    command = [o.onnxc, str(path), "-o", str(out), "--name", name] + [f"--dim={k}={v}" for k, v in dims.items()]
    r = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if r.returncode:
        return "onnxc: " + next((l for l in r.stderr.splitlines() if l.startswith("error")), r.stderr[:100])
    text = (out.with_suffix(".h") if o.language == "c" else out).read_text()
    found = dict(label=case.name, name=name, xs=xs, ys=ys, workspace=0, rtol=case.rtol, atol=case.atol)
    if o.language == "c":
        return found | interface(name, text, xs, ys)
    if "pub struct Dims" in text or "Workspace<'a>" in text:
        return "sizes are known only in the run"
    return found


def interface(name, text, xs, ys):
    """How a C module is called: its dims, from the header, with the extents of the inputs."""
    m = re.search(rf"int {name}_run\((.*)\);", text)
    parameters = m[1].split(",") if m else []
    fields = re.findall(r"int64_t (\w+); /\* (.*) \*/", text.split(f"}} {name}_dims")[0]) if f"{name}_dims" in text else []
    extents = any("extents[" in remark for _, remark in fields)
    if len(parameters) != len(xs) + len(ys) + 1 + bool(fields) + extents:
        return dict(refused="memory in the run")
    ws = re.search(r"WORKSPACE_BYTES (\d+)", text)
    shapes = re.findall(r"^ \*   .*: \w+\[(.*)\]$", text.split("/* Outputs:")[0], re.M)
    known = {}
    for shape, x in zip(shapes, xs):
        for e, n in zip(shape.split(", ") if shape else [], x.shape):
            known.setdefault(re.sub(r"\W", "_", e), n)
    return dict(workspace=int(ws[1]) if ws else 0, fields=[(f, known.get(f, 0)) for f, _ in fields], extents=extents, plan=f"int {name}_plan(" in text)


def program_c(batch, work):
    main = ["#include <stdio.h>", "#include <stdlib.h>", "#include <string.h>"] + [f'#include "{c["name"]}.h"' for c in batch]
    main.append("static void *in(FILE *f, size_t n) { void *p = aligned_alloc(64, (n + 64) / 64 * 64); if (n && fread(p, 1, n, f) != n) exit(9); return p; }")
    main.append("int main(int argc, char **argv) { (void)argc; int k = atoi(argv[1]); FILE *f = fopen(argv[2], \"rb\"), *g = fopen(argv[3], \"wb\"); switch (k) {")
    for k, c in enumerate(batch):
        main.append(f"case {k}: {{")
        args = []
        for j, x in enumerate(c["xs"]):
            main.append(f"  void *x{j} = in(f, {x.nbytes});")
            args.append(f"x{j}")
        for j, y in enumerate(c["ys"]):
            # A size known after the run has a bound that only the module's documentation names.
            main.append(f"  void *y{j} = malloc({max(y.nbytes, 1) if not c['extents'] else y.nbytes * 16 + (1 << 20)});")
            args.append(f"y{j}")
        size, before, after, inputs = str(c["workspace"]), [], [], args[: len(c["xs"])]
        if c["fields"]:
            main.append(f"  {c['name']}_dims dims = {{{', '.join(str(n) for _, n in c['fields'])}}};")
            if c["plan"]:
                main.append(f"  int p = {c['name']}_plan({', '.join(inputs + ['&dims'])}); if (p) return 100 + p;")
            size, before = f"(size_t){c['name']}_workspace_bytes(&dims)", ["&dims"]
        if c["extents"]:
            main.append("  int64_t extents[64];")
            after = ["extents"]
        main.append(f"  void *ws = aligned_alloc(64, ({size} + 64) / 64 * 64);")
        main.append(f"  int s = {c['name']}_run({', '.join(before + args + after + ['ws'])}); if (s) return 100 + s;")
        for j, y in enumerate(c["ys"]):
            main.append(f"  fwrite(y{j}, 1, {y.nbytes}, g);")
        main.append("  break; }")
    main.append("} fclose(g); return 0; }")
    (work / "main.c").write_text("\n".join(main))


def program_rust(batch, work):
    main = ["#![allow(unused)]", "use std::io::Write;"] + [f'#[path = "{c["name"]}.rs"] mod {c["name"]};' for c in batch]
    # Unoptimised code puts a workspace on the stack before it is in its box.
    main.append("fn main() { std::thread::Builder::new().stack_size(1 << 28).spawn(run).unwrap().join().unwrap() }")
    main.append("fn run() { let a: Vec<String> = std::env::args().collect(); let all = std::fs::read(&a[2]).unwrap(); let mut g = std::fs::File::create(&a[3]).unwrap();")
    main.append("let status = match a[1].as_str() {")
    for k, c in enumerate(batch):
        main.append(f'"{k}" => {{')
        args, at = [], 0
        for j, x in enumerate(c["xs"]):
            ty, size = TYPES[str(x.dtype)][1], x.dtype.itemsize
            main.append(f"  let x{j}: Vec<{ty}> = all[{at}..{at + x.nbytes}].chunks_exact({size}).map(|b| {ty}::from_le_bytes(b.try_into().unwrap())).collect();")
            args.append(f"x{j}.as_slice().try_into().unwrap()")
            at += x.nbytes
        for j, y in enumerate(c["ys"]):
            ty = TYPES[str(y.dtype)][1]
            main.append(f"  let mut y{j} = vec![0 as {ty}; {y.size}];")
            args.append(f"y{j}.as_mut_slice().try_into().unwrap()")
        main.append(f"  let mut ws = Box::new({c['name']}::Workspace::new());")
        main.append(f"  let s = match {c['name']}::run({', '.join(args + ['&mut ws'])}) {{ Ok(()) => 0, Err(e) => e.0 }};")
        for j, y in enumerate(c["ys"]):
            main.append(f"  for v in &y{j} {{ g.write_all(&v.to_le_bytes()).unwrap(); }}")
        main.append("  s }")
    main.append("_ => 1 }; if status != 0 { std::process::exit(100 + status) } }")
    (work / "main.rs").write_text("\n".join(main))


def build(batch, work, o):
    exe = work / "batch"
    if o.language == "c":
        program_c(batch, work)
        flags = "-std=c99 -pedantic -Wall -Wextra -Werror -Wconversion -O0 -g0"
        for c in (c for c in batch if not (work / f"{c['name']}.o").exists()):
            r = subprocess.run(f"gcc {flags} {o.cflags} -c {c['name']}.c", shell=True, cwd=work, capture_output=True, text=True)
            if r.returncode:
                return c, r.stderr
        names = " ".join(f"{c['name']}.o" for c in batch)
        r = subprocess.run(f"gcc -std=gnu11 -w {o.cflags} main.c {names} -o batch", shell=True, cwd=work, capture_output=True, text=True)
    else:
        program_rust(batch, work)
        r = subprocess.run("rustc --edition 2021 -A warnings -C opt-level=0 -C debug-assertions=on main.rs -o batch", shell=True, cwd=work, capture_output=True, text=True)
        if r.returncode:
            m = re.search(r"(case\d+)\.rs", r.stderr)
            return next((c for c in batch if m and c["name"] == m[1]), batch[0]), r.stderr
    return (None, None) if r.returncode == 0 else (batch[0], r.stderr)


def close(c, y, got):
    if y.dtype.kind == "f" or str(y.dtype).startswith(("bfloat", "float8", "float4")):
        # The suite's own tolerances: two steps of a bfloat16, else those of the case.
        rtol = max(c["rtol"], 2**-6) if y.dtype.name == "bfloat16" else c["rtol"]
        return np.allclose(got.astype(np.float64), y.astype(np.float64), rtol=rtol, atol=c["atol"], equal_nan=True)
    return np.array_equal(got, y)


def run(batch, work, results):
    for k, c in enumerate(batch):
        (work / "in").write_bytes(b"".join(np.ascontiguousarray(x).tobytes() for x in c["xs"]))
        r = subprocess.run([str(work / "batch"), str(k), str(work / "in"), str(work / "out")], capture_output=True, text=True, timeout=300, env=os.environ | {"ASAN_OPTIONS": "detect_leaks=0"})
        name = c["label"]
        if r.returncode:
            results[name] = f"FAIL status {r.returncode - 100}" if r.returncode > 100 else f"FAIL exit {r.returncode}: {r.stderr[:300]}"
            continue
        data, at, ok = (work / "out").read_bytes(), 0, True
        for y in c["ys"]:
            got = np.frombuffer(data[at : at + y.nbytes], y.dtype).reshape(y.shape)
            at += y.nbytes
            ok = ok and close(c, y, got)
        results[name] = "ok" if ok else "FAIL numbers"


# Batches by number: processes have them in memory already, as cases are too large to be sent.
BATCHES = []


def results_of(number):
    """Results of the cases of a batch, built as one program."""
    cases_of_batch, o = BATCHES[number]
    results, batch = {}, []
    with tempfile.TemporaryDirectory() as t:
        work = pathlib.Path(t)
        for i, d in enumerate(cases_of_batch):
            try:
                c = prepare(d, work, i, o)
            except subprocess.TimeoutExpired:
                c = "onnxc: timeout"
            c = c.get("refused", c) if isinstance(c, dict) else c
            if isinstance(c, str):
                results[d.name] = c
            else:
                batch.append(c)
        while batch:
            bad, why = build(batch, work, o)
            if bad is None:
                run(batch, work, results)
                break
            results[bad["label"]] = "FAIL compile: " + why[:600]
            batch.remove(bad)
    return results


def main():
    a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    a.add_argument("--onnxc", default="target/debug/onnxc"); a.add_argument("--language", choices=["c", "rust"], default="c")
    a.add_argument("--only"); a.add_argument("--batch", type=int, default=40); a.add_argument("--json"); a.add_argument("--part", default="0/1")
    a.add_argument("--jobs", type=int, default=os.cpu_count()); a.add_argument("--expect"); a.add_argument("--update", action="store_true")
    a.add_argument("--cflags", default="-fsanitize=address,undefined -fno-sanitize-recover=all")
    o = a.parse_args()
    o.onnxc = str(pathlib.Path(o.onnxc).resolve())
    compiler = {"c": "gcc", "rust": "rustc"}[o.language]
    if not shutil.which(compiler):
        print(f"SKIPPED: the official suite as {o.language}: no {compiler}")
        return 0
    part, parts = map(int, o.part.split("/"))
    results, todo = {}, [d for i, d in enumerate(cases(o.only)) if i % parts == part]
    # Neighbours in the list are alike, and so are their compile times: every batch gets some of all.
    count = -(-len(todo) // o.batch)
    BATCHES.extend((todo[k::count], o) for k in range(count))
    done = 0
    with multiprocessing.get_context("fork").Pool(o.jobs) as pool:
        for found in pool.imap_unordered(results_of, range(count)):
            results |= found
            done += 1
            print(f"{done}/{count} batches: {sum(v == 'ok' for v in results.values())} of {len(results)} ok", file=sys.stderr, flush=True)
            if o.json:
                pathlib.Path(o.json).write_text(json.dumps(results, indent=1))
    return report(o, results)


def report(o, results):
    """Prints the sums and what isn't as expected; the exit code."""
    count = collections.Counter("ok" if v == "ok" else "wrong" if v.startswith("FAIL") else "not for source" for v in results.values())
    wrong = {n: v for n, v in results.items() if v.startswith("FAIL")}
    for name in sorted(wrong):
        print(f"{name}: {wrong[name]}")
    print(f"{o.language}: {dict(sorted(count.items()))}")
    if not o.expect:
        return 1 if wrong else 0
    return 1 if differs(o, results) else 0


TITLES = {"refused": "Not for source: a case that needs memory during the run, strings, sequences or several possible shapes, or isn't compiled at all.",
          "wrong": "Wrong, or not compiled by the language's compiler."}


def differs(o, results):
    """True if other cases than those in the file don't pass, or in another way. Reasons are for readers: an update keeps them."""
    path = pathlib.Path(o.expect)
    listed, section = {"refused": {}, "wrong": {}}, None
    for line in path.read_text().splitlines() if path.exists() else []:
        if line.startswith("["):
            section = line.strip("[]")
        elif section and ": " in line and not line.startswith("#"):
            name, reason = line.split(": ", 1)
            listed[section][name] = reason
    found = {"refused": {}, "wrong": {}}
    for name, v in results.items():
        if v != "ok":
            found["wrong" if v.startswith("FAIL") else "refused"][name] = " ".join(v.split())[:200]
    if o.update:
        text = [f"# Cases of ONNX's official backend suite (onnx {onnx.__version__}) that don't pass as {o.language}, and why: {sum(v == 'ok' for v in results.values())} of {len(results)} pass.",
                f"# Checked by tests/suite/source.py --language {o.language}; --update rewrites the list and keeps the reasons of wrong ones."]
        for section, names in found.items():
            text += ["", f"# {TITLES[section]}", f"[{section}]"]
            text += [f"{n}: {listed[section].get(n, why) if section == 'wrong' else why}" for n, why in sorted(names.items())]
        path.write_text("\n".join(text) + "\n")
        return False
    for section in found:
        for name in sorted(found[section].keys() - listed[section].keys()):
            print(f"NEW, {section}: {name}: {found[section][name]}")
        for name in sorted(n for n in listed[section].keys() - found[section].keys() if n in results):
            print(f"NO LONGER {section}: {name}: take it off {path}")
    return any(found[s].keys() != {n for n in listed[s] if n in results} for s in found)


if __name__ == "__main__":
    sys.exit(main())
