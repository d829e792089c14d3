"""Reads the scalars of TensorBoard event files, with numpy: all events of a file side by side.

    read_scalars(paths.trial(0).root)        # columns tag, step, wall_time, value

A record is: length (8 bytes, little-endian), its checksum (4), the `Event`, its checksum (4). A file that is
being written, or damaged, may end in the middle of a record; what is whole counts. The price of the speed:
checksums are not looked at, and scalars kept as tensors (TensorFlow 2) are left out.
"""

import math
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tuner.records.wire import BYTES, FIXED32, FIXED64, VARINT, Content, Ints, key, rounds

if TYPE_CHECKING:
    import pandas as pd

_LENGTH = struct.Struct("<Q")
_HEADER_BYTES, _FOOTER_BYTES = 12, 4
_BETWEEN_BYTES = _FOOTER_BYTES + _HEADER_BYTES
_LIKELY_BYTES = 1 << 24

_EVENT_WALL_TIME, _EVENT_STEP, _EVENT_SUMMARY = key(1, FIXED64), key(2, VARINT), key(5, BYTES)
_SUMMARY_VALUE = key(1, BYTES)
_VALUE_TAG, _VALUE_SIMPLE = key(1, BYTES), key(2, FIXED32)


def read_scalars(folder: Path) -> "pd.DataFrame":
    """Columns tag, step, wall_time (seconds since 1970), value; by tag and step.

    A trial that was restarted leaves several files: a later one wins from its first step on, tag by tag.
    """
    import pandas as pd

    scalars = _Scalars.none()
    for file in event_files(folder):
        scalars = scalars.followed_by(_scalars(Content(file.read_bytes())))
    names, rank = np.unique(scalars.names, return_inverse=True)
    tag = rank[scalars.tag]
    order = np.lexsort((scalars.step, tag))
    frame: pd.DataFrame = pd.DataFrame(
        {
            "tag": names[tag[order]],
            "step": scalars.step[order],
            "wall_time": scalars.wall_time[order],
            "value": scalars.value[order],
        }
    ).astype({"tag": "str"})
    return frame


def event_files(folder: Path) -> list[Path]:
    """The event files of a trial in the order in which they were begun."""
    files = [file for file in folder.glob("events.out.tfevents.*") if file.is_file()]
    return sorted(files, key=lambda file: (begun_ns(file), file.name))


def begun_ns(file: Path) -> float:
    """Nanoseconds since 1970 when the file was begun; infinite where nobody can tell.

    Of one of ours by its name, which is later than those of the files before it whatever the clock says.
    """
    ours = re.search(r"\.(\d{19})\.\d+$", file.name)
    if ours:
        return int(ours[1])
    with file.open("rb") as opened:
        wall_time = _events(Content(opened.read(4096))).wall_time
    return float(wall_time[0]) * 1e9 if wall_time.size else math.inf


@dataclass(frozen=True)
class _Scalars:
    """One row a scalar, in the order of writing."""

    tag: Ints
    """Index into `names`."""
    step: Ints
    wall_time: NDArray[np.float64]
    value: NDArray[np.float64]
    names: NDArray[np.object_]

    @classmethod
    def none(cls) -> "_Scalars":
        nothing = np.zeros(0, np.int64)
        return cls(nothing, nothing, np.zeros(0), np.zeros(0), np.zeros(0, object))

    def followed_by(self, later: "_Scalars") -> "_Scalars":
        """These, but of each tag only what lies before the first step of `later`; and then `later`."""
        names, number = np.unique(np.concatenate([self.names, later.names]), return_inverse=True)
        tag, later_tag = number[: len(self.names)][self.tag], number[len(self.names) :][later.tag]
        first_step = np.full(len(names), np.iinfo(np.int64).max)
        np.minimum.at(first_step, later_tag, later.step)
        is_kept = self.step < first_step[tag]
        return _Scalars(
            np.concatenate([tag[is_kept], later_tag]),
            np.concatenate([self.step[is_kept], later.step]),
            np.concatenate([self.wall_time[is_kept], later.wall_time]),
            np.concatenate([self.value[is_kept], later.value]),
            names,
        )


@dataclass(frozen=True)
class _Events:
    """The events of a file, in order."""

    wall_time: NDArray[np.float64]
    step: Ints
    summary_start: Ints
    summary_end: Ints


@dataclass(frozen=True)
class _Values:
    """The values of all summaries, in the order in which they lie in the file."""

    event: Ints
    start: Ints
    end: Ints


def _records(content: Content) -> tuple[Ints, Ints]:
    """Where each whole event starts and ends."""
    start, end = _likely_records(content)
    is_chain = np.array_equal(end[:-1] + _BETWEEN_BYTES, start[1:]) and start[:1].tolist() == [_HEADER_BYTES]
    if not is_chain:
        start, end = start[:0], end[:0]
    walked_start, walked_end = _walked_records(content, int(end[-1]) + _FOOTER_BYTES if end.size else 0)
    start, end = np.concatenate([start, walked_start]), np.concatenate([end, walked_end])
    is_whole = end + _FOOTER_BYTES <= content.size
    return start[is_whole], end[is_whole]


def _likely_records(content: Content) -> tuple[Ints, Ints]:
    """Wherever an event seems to start: with its time, behind a small length.

    About ten times as fast as the walk. If each one found ends where the next one starts, they are records
    without a gap; others may follow.
    """
    start = np.flatnonzero(content.byte[_HEADER_BYTES : content.size] == _EVENT_WALL_TIME) + _HEADER_BYTES
    length = content.uint64[start - _HEADER_BYTES]
    is_likely = length < _LIKELY_BYTES
    return start[is_likely], start[is_likely] + length[is_likely].astype(np.int64)


def _walked_records(content: Content, position: int) -> tuple[Ints, Ints]:
    """From the record at `position` to the next one, and so on; the last one may be cut."""
    starts, ends = [], []
    while position + _HEADER_BYTES <= content.size:
        starts.append(position + _HEADER_BYTES)
        length = _LENGTH.unpack_from(content.data, position)[0]
        ends.append(starts[-1] + min(length, content.size))
        position = ends[-1] + _FOOTER_BYTES
    return np.array(starts, np.int64), np.array(ends, np.int64)


def _events(content: Content) -> _Events:
    start, end = _records(content)
    wall_time = np.zeros(len(start))
    # A field that a message leaves out is zero.
    step, summary_start, summary_end = np.zeros((3, len(start)), np.int64)
    for found in rounds(content, start, end):
        times, steps, summaries = (found.of(key) for key in (_EVENT_WALL_TIME, _EVENT_STEP, _EVENT_SUMMARY))
        wall_time[times.message] = content.float64[times.start]
        step[steps.message] = steps.number.view(np.int64)
        summary_start[summaries.message] = summaries.start
        summary_end[summaries.message] = summaries.end
    return _Events(wall_time, step, summary_start, summary_end)


def _values(content: Content, events: _Events) -> _Values:
    found = [found.of(_SUMMARY_VALUE) for found in rounds(content, events.summary_start, events.summary_end)]
    event, start, end = (
        np.concatenate([np.zeros(0, np.int64), *(getattr(part, name) for part in found)])
        for name in ("message", "start", "end")
    )
    order = np.argsort(start, kind="stable")
    return _Values(event[order], start[order], end[order])


def _scalars(content: Content) -> _Scalars:
    events = _events(content)
    values = _values(content, events)
    number = np.zeros(len(values.start))
    is_scalar = np.zeros(len(values.start), bool)
    tag_start, tag_end = np.zeros((2, len(values.start)), np.int64)
    for found in rounds(content, values.start, values.end):
        tags, simple = found.of(_VALUE_TAG), found.of(_VALUE_SIMPLE)
        tag_start[tags.message], tag_end[tags.message] = tags.start, tags.end
        number[simple.message] = content.float32[simple.start]
        is_scalar[simple.message] = True
    names, tag = _names(content, tag_start[is_scalar], tag_end[is_scalar])
    event = values.event[is_scalar]
    return _Scalars(tag, events.step[event], events.wall_time[event], number[is_scalar], names)


def _names(content: Content, start: Ints, end: Ints) -> tuple[NDArray[np.object_], Ints]:
    """The distinct texts between `start` and `end`, and for each stretch which one it is."""
    _, first, tag = np.unique(content.hashes(start, end), return_index=True, return_inverse=True)
    names = np.empty(len(first), object)
    names[:] = [content.text(start[index], end[index]) for index in first]
    return names, tag
