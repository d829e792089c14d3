"""What the views of a report ask for, packed into its file: the dashboard's answers, smaller.

    packed = pack(now, importances, dependences)
    packed.blocks["trials"]        # base64 of gzip of JSON
    packed.kept                    # of each tag how many points there are, and how many the file holds

Numbers have six digits, those of curves five. Curves are thinned to `MOST_POINTS` in all: what is compared
gets half of them where it needs them, the other tags share the rest. Their bytes are those of
`tuner/dashboard/curve_bytes.py`, shuffled so that they pack better.
"""

import base64
import gzip
import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from tuner.dashboard import curve_bytes
from tuner.dashboard.following import Followed
from tuner.dashboard.tables import extremes_of
from tuner.results.aggregate import Follower

MOST_POINTS = 120_000
MOST_DECISIONS = 10_000
DIGITS = 6
TIME_STEP_S = 0.25
MANTISSA = 2.0**17
"""Five digits in binary."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Kept:
    """How much of a tag's curves the file holds."""

    tag: str
    num_points: int
    num_kept: int


@dataclass(frozen=True)
class Packed:
    blocks: Mapping[str, str]
    """Name to base64 of gzip."""
    kept: tuple[Kept, ...]
    num_decisions: int
    num_decisions_kept: int


def pack(now: Followed, importances: Mapping[str, Json], dependences: Sequence[Json]) -> Packed:
    """All of an experiment that the views show.

    Args:
        importances: method -> the dashboard's answer for the searched metric.
        dependences: the same of how that depends on some parameters.
    """
    details, decisions = now.details(), now.decisions()
    told = telling(decisions)
    curves = list(_curves(now.curves, details["metrics"], len(details["objectives"])))
    held = [(kept, content) for kept, content in curves if kept.num_kept]
    answers = {
        "details": details | {"metrics": [kept.tag for kept, _ in held]},
        "trials": now.trials(now.numbers),
        "importances": importances,
        "dependences": dependences,
        "decisions": told,
        "timeline": now.timeline(),
        "extremes": {kept.tag: extremes_of(now.curves, kept.tag) for kept, _ in held},
    }
    texts = {name: _packed(_json(answer)) for name, answer in answers.items()}
    blocks = {f"curves{index}": _packed(content) for index, (_, content) in enumerate(held)}
    return Packed(texts | blocks, tuple(kept for kept, _ in curves), _length(decisions), _length(told))


def rounded(value: Any) -> Any:
    """A plain tree with floats of `DIGITS` digits."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, Mapping):
        return {key: rounded(each) for key, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, list | tuple) else value


def telling(decisions: Json, most: int = MOST_DECISIONS) -> Json:
    """The table; of too many lines those that only go on between rungs are left out."""
    data = decisions["data"]
    if _length(decisions) <= most:
        return decisions
    lines = zip(data["action"], data["rung"], strict=True)
    stays = [action != "CONTINUE" or rung is not None for action, rung in lines]
    return decisions | {
        "data": {
            name: [each for each, is_kept in zip(values, stays, strict=True) if is_kept]
            for name, values in data.items()
        }
    }


def _length(table: Json) -> int:
    return len(table["data"][table["columns"][0]])


def _curves(curves: Follower, tags: Sequence[str], num_compared: int) -> Iterator[tuple[Kept, bytes]]:
    """Of each tag, those that are compared first."""
    points = [curves.of_tag(tag) for tag in tags]
    ends = 2 * max((each["trial"].nunique() for each in points), default=0)
    most = shares([len(each) for each in points], num_compared, ends)
    for tag, every, num in zip(tags, points, most, strict=True):
        encoded = curve_bytes.encode(coarse(every if num else every[:0]), tag, "", num)
        begin, header = _header(encoded)
        yield Kept(tag, len(every), sum(header["counts"])), shuffled(encoded, begin)


def shares(sizes: Sequence[int], num_compared: int, ends: int) -> list[int]:
    """How many of each tag's points the file holds, `MOST_POINTS` together.

    Args:
        sizes: how many there are of each tag.
        num_compared: the first so many tags get half of all, where they need it.
        ends: how many points are the first or last of a trial; a tag without room for these gets none.
    """
    left, given = MOST_POINTS, []
    for index, size in enumerate(sizes):
        fair = left // (len(sizes) - index)
        if index < num_compared:
            fair = max(fair, MOST_POINTS // (2 * num_compared))
        wanted = min(size, max(fair, ends))
        given.append(wanted if wanted <= left else 0)
        left -= given[-1]
    return given


def coarse(points: pd.DataFrame) -> pd.DataFrame:
    """Values of five digits, times of quarter seconds: their last bytes are zeros, which pack to nothing."""
    mantissa, exponent = np.frexp(points["value"].to_numpy())
    value = np.ldexp(np.round(mantissa * MANTISSA) / MANTISSA, exponent)
    wall_time_s = np.round(points["wall_time_s"].to_numpy() / TIME_STEP_S) * TIME_STEP_S
    coarser: pd.DataFrame = points.assign(value=value, wall_time_s=wall_time_s)
    return coarser


def shuffled(encoded: bytes, begin: int) -> bytes:
    """Of the numbers from `begin` on all first bytes, all second ones, and so on."""
    numbers = np.frombuffer(encoded, np.uint8, offset=begin).reshape(-1, 8)
    together: bytes = numbers.T.tobytes()
    return encoded[:begin] + together


def _header(encoded: bytes) -> tuple[int, Json]:
    """Where the numbers begin, and what stands before them."""
    (length,) = struct.unpack_from("<I", encoded)
    return 4 + length, json.loads(encoded[4 : 4 + length])


def _json(answer: Any) -> bytes:
    return json.dumps(rounded(answer), allow_nan=False, separators=(",", ":")).encode()


def _packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()
