"""Curves as bytes: thinned where they are many."""

import json
import struct

import numpy as np
import pandas as pd
import pytest

from tuner.dashboard.curve_bytes import encode


def points(*counts: int) -> pd.DataFrame:
    trial = np.repeat(np.arange(len(counts)), counts)
    step = np.concatenate([np.arange(count) for count in counts])
    return pd.DataFrame({"trial": trial, "step": step, "wall_time_s": step * 2.0, "value": step * 0.5})


@pytest.mark.parametrize("most", [10, 100, 1000])
def test_each_trial_keeps_its_share_and_its_ends(most: int) -> None:
    content = encode(points(1000, 10, 1, 300), "a", "v", most)
    (length,) = struct.unpack_from("<I", content)
    header = json.loads(content[4 : 4 + length])
    steps = np.frombuffer(content, "<f8", offset=4 + length).reshape(3, -1)[0]
    assert (header["points"], header["is_thinned"]) == (1311, True)
    assert sum(header["counts"]) == len(steps) <= most
    curves = np.split(steps, np.cumsum(header["counts"])[:-1])
    assert [(curve[0], curve[-1]) for curve in curves] == [(0, 999), (0, 9), (0, 0), (0, 299)]
    assert all((np.diff(curve) > 0).all() for curve in curves)
    if most == 1000:
        gaps = np.diff(curves[0])
        assert gaps.max() <= 2


def test_what_fits_stays_whole() -> None:
    content = encode(points(3, 2), "a", "v", 5)
    (length,) = struct.unpack_from("<I", content)
    assert json.loads(content[4 : 4 + length])["is_thinned"] is False
    assert len(content) == 4 + length + 5 * 3 * 8
