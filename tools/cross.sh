#!/usr/bin/env bash
# Installs what the firmware tests need on Debian: cross compilers for Cortex-M, RISC-V (Clang for its vectors), AArch64,
# Xtensa and WebAssembly (linkers), and QEMU. As root by
# apt; as another user it prints the one line to run. And, by rustup, Rust's core library for Cortex-M4F. Elsewhere, or offline,
# it says so: the tests skip what is missing, aloud.
set -u
rust=thumbv7em-none-eabihf
if command -v rustc >/dev/null && ! ls "$(rustc --print target-libdir --target $rust)"/libcore-* >/dev/null 2>&1; then
    if command -v rustup >/dev/null; then
        echo "== installing Rust's core library for $rust"
        rustup --quiet target add $rust >/dev/null 2>&1 || echo "== not available: Rust's core library for $rust"
    else
        echo "== no rustup here: Rust modules for $rust are written, not run"
    fi
fi
need=(gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm qemu-system-misc gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf cmake
      gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user gcc-riscv64-linux-gnu libc6-dev-riscv64-cross clang-22 lld-22
      binutils-xtensa-lx106)
have() { command -v "$1" >/dev/null 2>&1; }
if have arm-none-eabi-gcc && have qemu-system-arm && have riscv64-unknown-elf-gcc && have qemu-system-riscv32 && have cmake &&
   have aarch64-linux-gnu-gcc && have qemu-aarch64 && have riscv64-linux-gnu-gcc && have clang-22 && have wasm-ld-22 &&
   have xtensa-lx106-elf-ld; then exit 0; fi
if ! have apt-get; then
    echo "== no apt-get here: firmware tests run with the cross tools that there are"
elif [ "$(id -u)" -ne 0 ]; then
    echo "== firmware tests want cross tools: sudo apt-get install -y --no-install-recommends ${need[*]}"
else
    echo "== installing cross compilers and QEMU (about 2 minutes)"
    # A distribution that lacks one of them may have the others.
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${need[@]}" >/dev/null 2>&1 ||
        for p in "${need[@]}"; do
            apt-get install -y -qq --no-install-recommends "$p" >/dev/null 2>&1 || echo "== not available: $p"
        done
fi
exit 0
