"""Reads the scalars of TensorBoard event files.

A record is: length (8 bytes, little-endian), its checksum (4), the `Event`, its checksum (4). A file that is
being written may end in the middle of a record; what is whole counts.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tensorboardX.proto.event_pb2 import Event

if TYPE_CHECKING:
    import pandas as pd

_LENGTH = struct.Struct("<Q")
_HEADER_BYTES = 12
_FOOTER_BYTES = 4

Scalar = tuple[str, int, float, float]


def read_scalars(folder: Path) -> "pd.DataFrame":
    """Columns tag, step, wall_time (seconds since 1970), value; by tag and step.

    A trial that was restarted leaves several files: a later one wins from its first step on, tag by tag.
    """
    import pandas as pd

    rows: list[Scalar] = []
    for file in event_files(folder):
        later = list(_scalars(file.read_bytes()))
        first_step: dict[str, int] = {}
        for tag, step, _, _ in later:
            first_step[tag] = min(step, first_step.get(tag, step))
        rows = [row for row in rows if row[1] < first_step.get(row[0], row[1] + 1)] + later
    frame = pd.DataFrame(rows, columns=["tag", "step", "wall_time", "value"])
    return frame.sort_values(["tag", "step"], kind="stable", ignore_index=True)


def event_files(folder: Path) -> list[Path]:
    """The event files of a trial in the order in which they were begun."""
    return sorted(folder.glob("events.out.tfevents.*"), key=_begun)


def _begun(file: Path) -> tuple[float, str]:
    with file.open("rb") as content:
        first = next(_events(content.read(4096)), None)
    return (first.wall_time if first is not None else float("inf"), file.name)


def _scalars(data: bytes) -> Iterator[Scalar]:
    for event in _events(data):
        for value in event.summary.value:
            if value.WhichOneof("value") == "simple_value":
                yield value.tag, event.step, event.wall_time, value.simple_value


def _events(data: bytes) -> Iterator[Event]:
    position = 0
    while position + _HEADER_BYTES <= len(data):
        (length,) = _LENGTH.unpack_from(data, position)
        start, end = position + _HEADER_BYTES, position + _HEADER_BYTES + length
        if end + _FOOTER_BYTES > len(data):
            return
        yield Event.FromString(data[start:end])
        position = end + _FOOTER_BYTES
