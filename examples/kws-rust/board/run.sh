#!/usr/bin/env bash
# Builds the example for a Cortex-M4F and runs it under QEMU; says so and succeeds where a tool is missing. Works in a copy of
# the folder above, too: ONNXC says where onnxc is, unless it is on PATH.
set -eu
cd "$(dirname "$0")"
target=thumbv7em-none-eabihf
for tool in rustc qemu-system-arm; do
    command -v $tool >/dev/null || { echo "SKIPPED: examples/kws-rust/board: no $tool"; exit 0; }
done
ls "$(rustc --print target-libdir --target $target)"/libcore-* >/dev/null 2>&1 || {
    echo "SKIPPED: examples/kws-rust/board: no core library (rustup target add $target)"; exit 0; }
tree=../../../target
onnxc=${ONNXC:-$(if [ -x $tree/release/onnxc ]; then echo $tree/release/onnxc; else command -v onnxc || true; fi)}
[ -n "$onnxc" ] || { echo "no onnxc: put it on PATH, or say ONNXC=/path/to/onnxc" >&2; exit 1; }
out=${OUT:-$(if [ -d $tree ]; then echo $tree/kws-board; else echo build; fi)}
mkdir -p "$out"
out=$(realpath "$out")
"$onnxc" ../kws.onnx -o "$out/kws.rs" --target $target --target-cpu cortex-m4
build() { rustc --edition 2021 --target $target -C target-cpu=cortex-m4 -C opt-level=3 -C panic=abort "$@"; }
build --crate-type rlib "$out/kws.rs" --out-dir "$out"
build -C link-arg=-Tcortex-m4f.ld main.rs --extern kws="$out/libkws.rlib" -o "$out/kws"
timeout 60 qemu-system-arm -M mps2-an386 -nographic -monitor none -serial none -semihosting-config enable=on,target=native -kernel "$out/kws"
