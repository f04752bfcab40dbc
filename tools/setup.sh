#!/usr/bin/env bash
# Installs what building needs: a C compiler (for linking), Rust, and LLVM 22 if it can be had. As root by apt; as
# another user it prints the one line to run.
set -u
here=$(dirname "$0")
. "$here/env.sh"

# A bare machine has no package lists yet, and what can be had is looked up below.
[ "$(id -u)" -ne 0 ] || command -v cargo >/dev/null || apt-get update -qq
have() { command -v "$1" >/dev/null 2>&1; }
want=()
have cc || want+=(gcc libc6-dev)
# Debian 12 keeps its own rustc at 1.63 for ever; the one that builds its browsers is new, and named apart.
if ! have cargo; then
    if apt-cache show cargo-web >/dev/null 2>&1; then want+=(cargo-web rustc-web); else want+=(cargo rustc); fi
fi
[ -x /usr/lib/llvm-22/bin/llvm-config ] || llvm=llvm-22-dev

if [ ${#want[@]} -gt 0 ]; then
    if [ "$(id -u)" -ne 0 ]; then
        echo "needed: ${want[*]}. Run this line, then try again:" >&2
        echo "    sudo apt-get install -y ${want[*]}" >&2
        exit 1
    fi
    echo "== installing ${want[*]}"
    apt-get update -qq && apt-get install -y -qq "${want[@]}" >/dev/null || { echo "apt-get failed" >&2; exit 1; }
fi
have cargo || . "$here/env.sh"
need=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$here/../Cargo.toml")
found=$(rustc --version | cut -d' ' -f2)
if [ "$(printf '%s\n%s\n' "$need" "$found" | sort -V | head -1)" != "$need" ]; then
    echo "rustc $found is too old: $need or newer is needed (https://rustup.rs)" >&2
    exit 1
fi
if [ -n "${llvm:-}" ]; then
    if [ "$(id -u)" -ne 0 ]; then
        echo "== LLVM 22 is not here; going on with Cranelift. To add it: sudo apt-get install -y $llvm"
    else
        echo "== installing $llvm (the LLVM backend; goes on without it if that fails)"
        apt-get update -qq
        apt-get install -y -qq "$llvm" >/dev/null 2>&1 || echo "== not available: going on with Cranelift"
    fi
fi
exit 0
