# The two commands of the README: `make demo` and `make test`. Each installs what it lacks and says what it does.

SHELL := /bin/bash
LLVM  := /usr/lib/llvm-22
OUT   := target/demo
VENV  := target/python

# LLVM is used when it is there or can be installed; without it there is still Cranelift.
export LLVM_SYS_221_PREFIX ?= $(LLVM)
FEATURES = $$(test -x $(LLVM)/bin/llvm-config && echo "--features llvm")

.PHONY: demo test test-python test-source firmware bench setup build clean

demo: build
	@mkdir -p $(OUT)
	@echo "== compiling SRCNN (fixed size, and any size)"
	target/release/onnxc examples/srcnn/srcnn.onnx -o $(OUT)/srcnn.so
	target/release/onnxc examples/srcnn/srcnn_dynamic.onnx -o $(OUT)/srcnn_dynamic.so
	@echo "== upscaling"
	target/release/upscale $(OUT)/srcnn.so examples/srcnn/face.png $(OUT)/face_x3.png
	target/release/upscale $(OUT)/srcnn_dynamic.so examples/srcnn/camera_lr.png $(OUT)/camera_x3.png examples/srcnn/camera_hr.png

build: setup
	@echo "== building onnxc (a few minutes the first time)"
	@. tools/env.sh; cargo build --release -p onnxc -p onnxc-driver -p onnxc-example-srcnn $(FEATURES)

test: setup
	@echo "== tests that need no LLVM"
	@. tools/env.sh; cargo test
	@if test -x $(LLVM)/bin/llvm-config; then \
	   echo "== the LLVM backend alone, then the tests of the whole with it"; . tools/env.sh; \
	   cargo test -p onnxc-llvm && cargo test -p onnxc-tests --features onnxc-tests/llvm; \
	 else echo "== LLVM 22 is not here: its backend is not tested"; fi
	@echo "== a model in a build script"
	@. tools/env.sh; cargo test -p onnxc-example-kws
	@$(MAKE) --no-print-directory test-python
	@$(MAKE) --no-print-directory test-source PART=0/3
	@$(MAKE) --no-print-directory demo
	@$(MAKE) --no-print-directory firmware

# Installs cross compilers and QEMU on Debian; says what it leaves out where they, or NumPy (in the environment of
# test-python), are missing.
firmware: build
	@tools/cross.sh
	@echo "== models as C and Rust, on emulated boards and here"
	@test -x $(VENV)/bin/python && PY=$(VENV)/bin/python || PY=python3; \
	   $$PY tests/firmware/check.py --onnxc target/release/onnxc --targets m4,m55,rv32imac,host,rust-host,rust-m4 --formats f32,qdq,qop && \
	   $$PY tests/firmware/check.py --onnxc target/release/onnxc --targets aarch64,rv64v,rv32v --formats f32 && \
	   echo "== within three quarters of the memory" && \
	   for c in resnet8:f32:98304 mbv1:f32:165888 resnet8:qdq:36864 mbv1:qdq:41472; do IFS=: read -r m f b <<< $$c; \
	     $$PY tests/firmware/check.py --onnxc target/release/onnxc --targets m4 --models $$m --formats $$f \
	       --onnxc-flags "--max-ram $$b" || exit 1; done && \
	   if test -x $(LLVM)/bin/llvm-config; then echo "== machine code for other machines"; \
	     $$PY tests/firmware/check.py --onnxc target/release/onnxc --via llvm --targets aarch64,wasm32,rv64v,rv32v --formats f32,qdq && \
	     $$PY tests/firmware/check.py --onnxc target/release/onnxc --via llvm --targets xtensa --formats f32,qdq --models lenet5,fcae; fi
	@echo "== examples/kws-c on an emulated Cortex-M4F"
	@examples/kws-c/run.sh
	@echo "== the same in Rust: examples/kws-rust/board"
	@examples/kws-rust/board/run.sh

# The Python package and ONNX's official suite, in an environment of their own.
test-python:
	@if python3 -c 'import venv, ensurepip' 2>/dev/null; then \
	   echo "== the Python package (builds it: a few minutes the first time)"; . tools/env.sh; set -e; \
	   test -x $(VENV)/bin/python || python3 -m venv $(VENV); \
	   $(VENV)/bin/python -m pip install --quiet onnx==1.23.2 ml_dtypes ./compiler/python; \
	   $(VENV)/bin/python -m unittest discover -s compiler/python/tests; \
	   echo "== ONNX's official suite"; \
	   $(VENV)/bin/python compiler/python/tests/conformance.py; \
	   cargo build --quiet -p onnxc; tools/operators.sh --check; \
	 else echo "== Python 3 with venv is not here: THE PACKAGE AND THE OFFICIAL SUITE ARE NOT TESTED"; fi

# MODELS=... are files or folders; ONNX Runtime and OpenVINO are compared with if the Python has them.
bench: build
	@echo "== measuring models"
	@test -x $(VENV)/bin/python && PY=$(VENV)/bin/python || PY=python3; $${PYTHON:-$$PY} tools/bench.py --json target/bench.json $(BENCH) $(MODELS)

# ONNX's official suite through the backends that write source, compiled in batches: C with sanitizers, and Rust, each against
# the list of what doesn't pass. About 6 minutes on two cores; `make test` takes every third case (PART=0/3).
PART = 0/1
test-source: build
	@if test -x $(VENV)/bin/python; then . tools/env.sh; for language in c rust; do \
	   echo "== ONNX's official suite as source, part $(PART): $$language"; \
	   $(VENV)/bin/python -W ignore tests/suite/source.py --onnxc target/release/onnxc --language $$language \
	     --expect tests/suite/$$language.txt --part $(PART) || exit 1; done; \
	 else echo "== no Python with onnx in $(VENV) (make test-python): SOURCE IS NOT TESTED WITH THE OFFICIAL SUITE"; fi

setup:
	@tools/setup.sh

clean:
	cargo clean
