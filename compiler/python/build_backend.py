"""What pip calls: maturin, with the LLVM backend where LLVM 22 is found.

``ONNXC_LLVM=0`` leaves LLVM out, ``ONNXC_LLVM=1`` insists on it; ``LLVM_SYS_221_PREFIX`` says where it is. Arguments
for maturin itself go through ``MATURIN_PEP517_ARGS``, as ever.
"""

import os
import subprocess
from pathlib import Path

import maturin
from maturin import *  # noqa: F403 - the hooks that aren't changed

_PLACES = ("/usr/lib/llvm-22", "/usr/local/opt/llvm@22", "/opt/homebrew/opt/llvm@22")


def _llvm():
    """The folder of LLVM 22, or None."""
    wish = os.environ.get("ONNXC_LLVM", "")
    if wish == "0":
        return None
    given = os.environ.get("LLVM_SYS_221_PREFIX")
    for place in [given] if given else _PLACES:
        config = Path(place) / "bin" / "llvm-config"
        if config.exists():
            version = subprocess.run([config, "--version"], capture_output=True, text=True, check=False).stdout
            if version.startswith("22."):
                return str(place)
    if wish == "1":
        raise RuntimeError("ONNXC_LLVM=1, but LLVM 22 wasn't found: set LLVM_SYS_221_PREFIX")
    return None


def _prepare():
    llvm = _llvm()
    if llvm:
        os.environ["LLVM_SYS_221_PREFIX"] = llvm
        given = os.environ.get("MATURIN_PEP517_ARGS", "")
        if "--features" not in given:
            os.environ["MATURIN_PEP517_ARGS"] = f"{given} --features llvm".strip()


def build_wheel(*args, **kwargs):
    """A wheel."""
    _prepare()
    return maturin.build_wheel(*args, **kwargs)


def build_editable(*args, **kwargs):
    """A wheel that points to the sources."""
    _prepare()
    return maturin.build_editable(*args, **kwargs)


def prepare_metadata_for_build_wheel(*args, **kwargs):
    """The metadata of the wheel that `build_wheel` would make."""
    _prepare()
    return maturin.prepare_metadata_for_build_wheel(*args, **kwargs)


prepare_metadata_for_build_editable = prepare_metadata_for_build_wheel
