#!/usr/bin/env bash
# Builds the example for a Cortex-M4F and runs it under QEMU; says so and succeeds where a tool is missing.
set -eu
cd "$(dirname "$0")"
target=thumbv7em-none-eabihf
for tool in rustc qemu-system-arm; do
    command -v $tool >/dev/null || { echo "SKIPPED: examples/kws-rust/board: no $tool"; exit 0; }
done
ls "$(rustc --print target-libdir --target $target)"/libcore-* >/dev/null 2>&1 || {
    echo "SKIPPED: examples/kws-rust/board: no core library (rustup target add $target)"; exit 0; }
out=${OUT:-../../../target/kws-board}
mkdir -p "$out"
out=$(realpath "$out")
"${ONNXC:-../../../target/release/onnxc}" ../../kws-c/kws.onnx -o "$out/kws.rs" --target $target --target-cpu cortex-m4
build() { rustc --edition 2021 --target $target -C target-cpu=cortex-m4 -C opt-level=3 -C panic=abort "$@"; }
build --crate-type rlib "$out/kws.rs" --out-dir "$out"
build -C link-arg=-T../../../tests/firmware/board/mps2.ld main.rs --extern kws="$out/libkws.rlib" -o "$out/kws"
timeout 60 qemu-system-arm -M mps2-an386 -nographic -monitor none -serial none -semihosting-config enable=on,target=native -kernel "$out/kws"
