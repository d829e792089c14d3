"""What the process of a rank takes of its machine: scalars beside those of a report, which decide nothing.

usage = Usage(device)
usage.scalars()       # as `SYSTEM_METRICS` says
"""

import psutil
import torch


class Usage:
    """Of this process, and of its GPU where `device` is one."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._process = psutil.Process()
        self._process.cpu_percent()  # Counts from here on.

    def scalars(self) -> dict[str, float]:
        """Of the processors since the last call, of all else now."""
        found = {
            "system/cpu_percent": self._process.cpu_percent(),
            "system/memory_bytes": float(self._process.memory_info().rss),
        }
        return found | _of_gpu(self._device) if self._device.type == "cuda" else found


def _of_gpu(device: torch.device) -> dict[str, float]:
    held = {"system/gpu_memory_bytes": float(torch.cuda.memory_reserved(device))}
    try:
        return held | {"system/gpu_percent": float(torch.cuda.utilization(device))}
    except Exception:
        # NVML's errors have no type that is there without it; a slice of a GPU has no utilisation.
        return held
