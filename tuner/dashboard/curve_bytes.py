"""Curves of all trials as bytes: a browser reads a million points without parsing one.

uint32       length of the header in bytes, little-endian like all numbers here
header       JSON, filled up with spaces so that what follows begins at a multiple of 8 bytes:
             {"tag": name, "trials": [numbers], "counts": [points of each], "fields": ["step", "time_s",
             "value"], ...}
float64[]    one array a field, over all trials in the header's order; `time_s` since 1970
"""

import json
import struct
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MOST_POINTS = 1_000_000
"""Of one answer; of more the same share of each trial's is taken, evenly, with its first and last."""
FIELDS = {"step": "step", "time_s": "wall_time_s", "value": "value"}
_ALIGNED_BYTES = 8


def encode(points: pd.DataFrame, tag: str, version: str, most_points: int = MOST_POINTS) -> bytes:
    """The points of the tag, by trial and step."""
    num_points = len(points)
    if num_points > most_points:
        points = points[_thinned(points["trial"].to_numpy(), most_points)]
    trials, counts = np.unique(points["trial"].to_numpy(), return_counts=True)
    header = {
        "tag": tag,
        "trials": trials.tolist(),
        "counts": counts.tolist(),
        "fields": list(FIELDS),
        "points": num_points,
        "is_thinned": len(points) < num_points,
        "version": version,
    }
    arrays = [points[column].to_numpy("<f8").tobytes() for column in FIELDS.values()]
    return b"".join([_with_length(header), *arrays])


def _with_length(header: dict[str, Any]) -> bytes:
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(4 + len(text)) % _ALIGNED_BYTES)
    return struct.pack("<I", len(text)) + text


def _thinned(trial: NDArray[np.int64], most_points: int) -> NDArray[np.bool_]:
    """Which points stay."""
    _, start, count = np.unique(trial, return_index=True, return_counts=True)
    position = np.arange(len(trial)) - np.repeat(start, count)
    share = max(0.0, most_points - 2 * len(start)) / len(trial)
    is_next = np.floor((position + 1) * share) > np.floor(position * share)
    is_end = (position == 0) | (position == np.repeat(count, count) - 1)
    stays: NDArray[np.bool_] = is_next | is_end
    return stays
