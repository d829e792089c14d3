"""Event files made by hand, and what TensorBoard's own readers find in them."""

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
from tensorboard.util import tensor_util
from tensorboardX.crc32c import crc32c
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.summary_pb2 import Summary

FILE_NAME = "events.out.tfevents.1.host"
Scalar = tuple[str, int, float, float]


def checksum(data: bytes) -> bytes:
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17 & 0xFFFFFFFF) + 0xA282EAD8) & 0xFFFFFFFF)


def record(content: bytes) -> bytes:
    length = struct.pack("<Q", len(content))
    return length + checksum(length) + content + checksum(content)


def scalar_event(wall_time: float, step: int, values: Iterable[tuple[str, float]]) -> Any:
    summary = Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values])
    return Event(wall_time=wall_time, step=step, summary=summary)


def write_file(folder: Path, events: Iterable[Any], name: str = FILE_NAME) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    file.write_bytes(b"".join(record(event.SerializeToString()) for event in events))
    return file


def stock_scalars(file: Path) -> list[Scalar]:
    """Tag, step, wall time, value, by tag and step: what TensorBoard itself reads."""
    rows = [
        (value.tag, event.step, event.wall_time, tensor_util.make_ndarray(value.tensor).item())
        for event in EventFileLoader(str(file)).Load()
        for value in event.summary.value
        if value.metadata.plugin_data.plugin_name == "scalars"
    ]
    return sorted(rows, key=lambda row: row[:2])
