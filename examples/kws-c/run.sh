#!/usr/bin/env bash
# Builds the example for a Cortex-M4F and runs it under QEMU; says so and succeeds where a tool is missing.
set -eu
cd "$(dirname "$0")"
for tool in cmake arm-none-eabi-gcc qemu-system-arm; do
    command -v $tool >/dev/null || { echo "SKIPPED: examples/kws-c: no $tool"; exit 0; }
done
out=${OUT:-../../target/kws-c}
cmake -S . -B "$out" -DCMAKE_TOOLCHAIN_FILE="$PWD/cmake/cortex-m4f.cmake" -DONNXC="$(realpath "${ONNXC:-../../target/release/onnxc}")" >/dev/null
cmake --build "$out" >/dev/null
timeout 60 qemu-system-arm -M mps2-an386 -nographic -monitor none -serial none -semihosting-config enable=on,target=native -kernel "$out/kws-demo"
