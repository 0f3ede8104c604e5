"""Builds the C++ files beside this one into shared libraries, once a machine and source.

They are plain C functions, called through ctypes: no headers of torch or Python are needed,
only a compiler, and a build takes about two seconds. Knows nothing of what they compute.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

log = logging.getLogger(__name__)

FLAGS = ("-O3", "-march=native", "-std=c++17", "-fopenmp", "-shared", "-fPIC", "-fno-math-errno")


@cache
def load(name: str) -> ctypes.CDLL | None:
    """The library made of `<name>.cpp`.

    Returns:
        None where there is no compiler, no AVX512-BF16, or the build fails; callers have a
        way that needs none of them.
    """
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("clang++")
    if compiler is None or not has_avx512_bf16():
        log.info("%s: no C++ kernel here, it needs a compiler and AVX512-BF16", name)
        return None
    try:
        return ctypes.CDLL(str(build(Path(__file__).with_name(f"{name}.cpp"), compiler)))
    except (OSError, subprocess.SubprocessError) as error:
        detail = getattr(error, "stderr", None) or error
        log.warning("%s: the C++ kernel could not be built, going on without: %s", name, detail)
        return None


def build(source: Path, compiler: str) -> Path:
    """The shared library of one source, from the cache when it was built before.

    Raises:
        OSError: the source cannot be read or the cache cannot be written.
        subprocess.SubprocessError: the compiler failed.
    """
    key = source.read_bytes() + " ".join([compiler, *FLAGS, _cpu()]).encode()
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = root / "understudy" / f"{source.stem}-{hashlib.sha256(key).hexdigest()[:16]}.so"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        work = path.with_suffix(f".{os.getpid()}.so")
        command = [compiler, *FLAGS, str(source), "-o", str(work)]
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
        work.replace(path)
    return path


def has_avx512_bf16() -> bool:
    """Whether this CPU has the instructions that the kernels are made of."""
    return "avx512_bf16" in _cpu()


def emulates_bf16() -> bool:
    """Whether this CPU is known to lack instructions for bfloat16, and so to be slower at it than at fp32."""
    return bool(_cpu()) and not has_avx512_bf16()


@cache
def _cpu() -> str:
    """The CPU's flags; empty where Linux does not tell."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return ""
    return next((line for line in text.splitlines() if line.startswith("flags")), "")
