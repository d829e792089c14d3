"""Reads the scalars of TensorBoard event files, with numpy: the events of many files side by side.

    read_scalars(paths.trial(0).root)        # columns tag, step, wall_time, value

    file, tags = EventFile(path), {}         # a file that grows is read on from where it ended
    for file, points in read_on([file], tags): ...

Understood are the scalars of all writers: plain numbers, and tensors of one number (TensorFlow 2, Keras), in
any numeric type. What runs say to the HParams tab is kept for `tuner.records.hparams`. The bytes are taken
apart in `event_records.py` (records), `event_scalars.py` (events) and `event_tensors.py`.
"""

import math
import os
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from tuner.records.event_records import FOOTER_BYTES, next_length, records, whole_records
from tuner.records.event_scalars import Floats, Scalars, read_events, scalars_of
from tuner.records.wire import Content, Ints

if TYPE_CHECKING:
    import pandas as pd

Tags = dict[str, int]
"""Tag to its number, in the order in which they were met."""

CHUNK_BYTES = 1 << 21
"""So much is looked at side by side, some 40,000 scalars; more is hardly faster and takes more memory."""


@dataclass(frozen=True)
class Points:
    """Points of one file or trial, by tag and step; of equal steps the one that was written first."""

    tag: NDArray[np.int32]
    """The number of its tag in `Tags`."""
    step: Ints
    wall_time: Floats
    value: Floats

    @classmethod
    def none(cls) -> "Points":
        return cls(np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0), np.zeros(0))

    def __len__(self) -> int:
        return len(self.step)

    def at(self, chosen: NDArray[np.bool_] | Ints | slice) -> "Points":
        return Points(self.tag[chosen], self.step[chosen], self.wall_time[chosen], self.value[chosen])

    def span(self, tag: int) -> slice:
        """Where the points of a tag lie."""
        begin, end = np.searchsorted(self.tag, [tag, tag + 1])
        return slice(int(begin), int(end))

    def of(self, tag: int) -> "Points":
        return self.at(self.span(tag))

    def before(self, later: "Points") -> "Points":
        """Of each tag what lies before the first step of `later`."""
        tags, first = np.unique(later.tag, return_index=True)
        place = np.searchsorted(tags, self.tag)
        place[place == len(tags)] = 0
        is_written_again = tags[place] == self.tag
        return self.at(~is_written_again | (self.step < later.step[first][place]))


def join(parts: Sequence[Points]) -> Points:
    """All points of several parts of one file."""
    if len(parts) == 1:
        return parts[0]
    points = concatenate(parts)
    return points.at(np.lexsort((points.step, points.tag)))


def concatenate(parts: Sequence[Points]) -> Points:
    """The parts one behind the other."""
    names = ("tag", "step", "wall_time", "value")
    arrays = [np.concatenate([getattr(part, name) for part in parts]) for name in names] if parts else ()
    return Points(*arrays) if parts else Points.none()


def overlay(files: Sequence[Points]) -> Points:
    """The points of a trial's files in their order: a later one wins from its first step on, tag by tag."""
    kept: list[Points] = []
    for later in files:
        if len(later):
            kept = [*(earlier.before(later) for earlier in kept), later]
    return join(kept)


def read_scalars(folder: Path) -> "pd.DataFrame":
    """Columns tag, step, wall_time (seconds since 1970), value; by tag and step.

    A trial that was restarted leaves several files: a later one wins from its first step on, tag by tag.
    """
    import pandas as pd

    tags: Tags = {}
    files = [EventFile(path) for path in event_files(folder)]
    parts: dict[EventFile, list[Points]] = {file: [] for file in files}
    for file, points in read_on(files, tags):
        parts[file].append(points)
    points = overlay([join(parts[file]) for file in files])
    names, rank = sorted_tags(tags)
    order = np.argsort(rank[points.tag], kind="stable")
    frame: pd.DataFrame = pd.DataFrame(
        {
            "tag": names[rank[points.tag[order]]],
            "step": points.step[order],
            "wall_time": points.wall_time[order],
            "value": points.value[order],
        }
    ).astype({"tag": "str"})
    return frame


def sorted_tags(tags: Tags) -> tuple[NDArray[np.object_], NDArray[np.int32]]:
    """The tags in alphabetical order, and the place of each number's tag there."""
    names = np.array(sorted(tags), object)
    rank = np.zeros(len(tags), np.int32)
    rank[[tags[name] for name in names]] = np.arange(len(tags))
    return names, rank


def event_files(folder: Path) -> list[Path]:
    """The event files of a trial in the order in which they were begun."""
    return in_order(file for file in folder.glob("events.out.tfevents.*") if file.is_file())


def in_order(files: Iterable[Path]) -> list[Path]:
    """Files of one trial in the order in which they were begun."""
    files = list(files)
    return sorted(files, key=lambda file: (begun_ns(file), file.name)) if len(files) > 1 else files


def begun_ns(file: Path) -> float:
    """Nanoseconds since 1970 when the file was begun; infinite where nobody can tell.

    Of one of ours by its name, which is later than those of the files before it whatever the clock says.
    """
    ours = re.search(r"\.(\d{19})\.\d+$", file.name)
    if ours:
        return int(ours[1])
    try:
        with file.open("rb") as opened:
            content = opened.read(4096)
    except FileNotFoundError:  # removed since it was listed
        return math.inf
    wall_time = read_events(Content(content), *whole_records(content)).wall_time
    return float(wall_time[0]) * 1e9 if wall_time.size else math.inf


class EventFile:
    """An event file and how far it has been read.

    Args:
        prefix: stands before each of its tags.
    """

    def __init__(self, path: Path, prefix: str = "") -> None:
        self.path, self.prefix = path, prefix
        self.offset = 0
        """Where the first record begins that has not been read."""
        self.sessions: list[bytes] = []
        """What it says to the HParams tab, as it came."""
        self._chunk_bytes = CHUNK_BYTES

    def next_chunk(self) -> bytes:
        """The next `CHUNK_BYTES`, or one larger record; empty at the end, and where the file is gone."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY)
        except FileNotFoundError:
            return b""
        try:
            return os.pread(descriptor, self._chunk_bytes, self.offset)
        finally:
            os.close(descriptor)

    def go_on(self, chunk: bytes, num_whole: int) -> bool:
        """Notes how much of the chunk was whole records; returns whether there may be more to read."""
        is_full = len(chunk) == self._chunk_bytes
        self.offset += num_whole
        self._chunk_bytes = CHUNK_BYTES
        if num_whole or not is_full:
            return is_full
        self._chunk_bytes = max(next_length(chunk) or 0, CHUNK_BYTES)
        return self._chunk_bytes > len(chunk)


File = TypeVar("File", bound=EventFile)


def read_on(files: Iterable[File], tags: Tags) -> Iterator[tuple[File, Points]]:
    """What was added to the files since they were last read; a file may come several times, in order.

    Tags that come for the first time are added to `tags`.
    """
    waiting = deque(files)
    while waiting:
        batch, chunks = _next_batch(waiting)
        bounds = np.cumsum([0, *map(len, chunks)])
        content = Content(b"".join(chunks))
        start, end = records(content, bounds)
        file = np.searchsorted(bounds, start, side="right") - 1
        """Of each event the index of its file."""
        scalars, sessions = scalars_of(content, read_events(content, start, end))
        for event, said in sessions:
            batch[file[event]].sessions.append(said)
        yield from _points(batch, file[scalars.event], scalars, tags)
        num_whole = np.zeros(len(batch), np.int64)
        num_whole[file] = end + FOOTER_BYTES - bounds[file]
        for each, chunk, num_bytes in zip(batch, chunks, num_whole.tolist(), strict=True):
            if each.go_on(chunk, num_bytes):
                waiting.append(each)


def _next_batch(waiting: deque[File]) -> tuple[list[File], list[bytes]]:
    batch: list[File] = []
    chunks: list[bytes] = []
    num_bytes = 0
    while waiting and num_bytes < CHUNK_BYTES:
        batch.append(waiting.popleft())
        chunks.append(batch[-1].next_chunk())
        num_bytes += len(chunks[-1])
    return batch, chunks


def _points(batch: Sequence[File], file: Ints, scalars: Scalars, tags: Tags) -> Iterator[tuple[File, Points]]:
    """The scalars of each file that has any; `file`: of each scalar the index of its file."""
    numbers = {prefix: _numbers(scalars.names, prefix, tags) for prefix in {each.prefix for each in batch}}
    order = np.lexsort((scalars.step, scalars.tag, file))
    every = Points(scalars.tag.astype(np.int32), scalars.step, scalars.wall_time, scalars.value).at(order)
    present, first = np.unique(file[order], return_index=True)
    for index, begin, end in zip(present.tolist(), first, [*first, len(order)][1:], strict=True):
        found = every.at(slice(begin, end))
        number = numbers[batch[index].prefix][found.tag]
        place = np.argsort(number, kind="stable")
        yield batch[index], Points(number, found.step, found.wall_time, found.value).at(place)


def _numbers(names: NDArray[np.object_], prefix: str, tags: Tags) -> NDArray[np.int32]:
    return np.array([tags.setdefault(prefix + name, len(tags)) for name in names], np.int32)
