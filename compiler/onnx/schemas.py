#!/usr/bin/env python3
"""Writes src/checker/schemas.txt: the facts of every operator version that the installed onnx package knows.

Usage: python3 compiler/onnx/schemas.py > compiler/onnx/src/checker/schemas.txt
"""
import onnx

OPTION = {"Single": "s", "Optional": "o", "Variadic": "v"}


def count(lo, hi, formals):
    """`2..3 sso`: least and greatest count, then one letter per formal parameter."""
    hi = "*" if hi > 1000 else hi
    letters = "".join(OPTION[f.option.name] for f in formals) or "-"
    return f"{lo}..{hi} {letters}"


def line(s):
    state = "deprecated" if s.deprecated else s.support_level.name.lower()
    attributes = [f"{a.name}:{a.type.name}{'!' if a.required else ''}" for a in s.attributes.values()]
    head = [s.domain or "ai.onnx", s.name, str(s.since_version), {"common": "-"}.get(state, state)]
    counts = [count(s.min_input, s.max_input, s.inputs), count(s.min_output, s.max_output, s.outputs)]
    return " ".join(head + counts + sorted(attributes))


def key(s):
    return (s.domain or "ai.onnx", s.name, s.since_version)


print(f"# Operator facts of onnx {onnx.__version__}; regenerate: python3 compiler/onnx/schemas.py > (this file).")
print("# domain NAME OLDEST NEWEST: the opset versions of a domain.")
print("# DOMAIN OP SINCE STATE INPUTS OUTPUTS ATTRIBUTE:KIND...: counts are least..greatest (* = no bound), then one")
print("# letter per formal parameter (s single, o optional, v variadic); `!` marks a required attribute.")
for domain, (oldest, newest) in sorted(onnx.defs.C.schema_version_map().items()):
    print("domain", domain or "ai.onnx", oldest, newest)
for schema in sorted(onnx.defs.get_all_schemas_with_history(), key=key):
    print(line(schema))
