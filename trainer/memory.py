"""Peak memory of this process, as a training's report tells it."""

from __future__ import annotations

import sys
from typing import Any


def peak_memory_mb(device: Any) -> float:
    """MiB: what torch had allocated at most on a CUDA device, else the process's resident set."""
    import torch

    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 2**20, 1)
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 1)
