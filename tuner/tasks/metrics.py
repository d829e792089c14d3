"""Metrics that tasks report, and which way is better."""

from typing import Literal

Mode = Literal["min", "max"]

COST_METRICS: dict[str, Mode] = {
    "train/step_seconds": "min",
    "train/samples_per_s": "max",
    "system/peak_memory_bytes": "min",
    "model/parameters": "min",
    "model/trained_parameters": "min",
}
"""What training costs. Trained parameters are those that no tuning freezes. Seconds of a step leave out the
first one of each report. Peak memory is of the rank that needs most: what was allocated on its GPU; on a CPU
what the whole warm process holds, a rough figure."""
CLASSIFICATION_METRICS: dict[str, Mode] = {
    "val/accuracy": "max",
    "val/f1": "max",
    "val/loss": "min",
    "train/loss": "min",
    **COST_METRICS,
}
REGRESSION_METRICS: dict[str, Mode] = {
    "val/loss": "min",
    "val/mae": "min",
    "val/r2": "max",
    "train/loss": "min",
    **COST_METRICS,
}
TOKEN_METRICS: dict[str, Mode] = {
    "val/loss": "min",
    "val/perplexity": "min",
    "val/accuracy": "max",
    "train/loss": "min",
    **COST_METRICS,
}
"""Loss in nats a token; accuracy: tokens that were the most probable ones."""
SYSTEM_METRICS = (
    "system/cpu_percent",
    "system/memory_bytes",
    "system/gpu_percent",
    "system/gpu_memory_bytes",
)
"""What a trial's event files say of its first rank at each report, beside what is reported: processors since
the last report (one that is busy is 100), resident memory, how busy the GPU is at that moment, and what torch
holds of its memory. Nothing is decided by them."""
