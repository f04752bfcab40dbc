#!/usr/bin/env bash
# Builds the example for a Cortex-M4F and runs it under QEMU; says so and succeeds where a tool is missing. Works in a copy of
# this folder, too: ONNXC says where onnxc is, unless it is on PATH.
set -eu
cd "$(dirname "$0")"
for tool in cmake arm-none-eabi-gcc qemu-system-arm; do
    command -v $tool >/dev/null || { echo "SKIPPED: examples/kws-c: no $tool"; exit 0; }
done
tree=../../target
onnxc=${ONNXC:-$(if [ -x $tree/release/onnxc ]; then echo $tree/release/onnxc; else command -v onnxc || true; fi)}
[ -n "$onnxc" ] || { echo "no onnxc: put it on PATH, or say ONNXC=/path/to/onnxc" >&2; exit 1; }
out=${OUT:-$(if [ -d $tree ]; then echo $tree/kws-c; else echo build; fi)}
cmake -S . -B "$out" -DCMAKE_TOOLCHAIN_FILE="$PWD/cmake/cortex-m4f.cmake" -DONNXC="$(realpath "$onnxc")" >/dev/null
cmake --build "$out" >/dev/null
timeout 60 qemu-system-arm -M mps2-an386 -nographic -monitor none -serial none -semihosting-config enable=on,target=native -kernel "$out/kws-demo"
