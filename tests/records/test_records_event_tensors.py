"""Scalars that other writers keep as tensors, of every numeric type, and what runs say to the HParams tab."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from records_events import FILE_NAME, record, scalar_event, stock_scalars, write_file
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.util.tensor_util import make_tensor_proto

from tuner.records.event_reader import CHUNK_BYTES, EventFile, Points, join, read_on, read_scalars
from tuner.records.events import EventWriter
from tuner.records.hparams import Session
from tuner.records.states import TrialState

TYPES = ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "bool"]
BFLOAT16, UINT32, UINT64 = 14, 22, 23
ONE_AND_A_HALF = 0x3FC0
"""As bfloat16."""


def tensor_event(step: int, tensor: TensorProto, tag: str = "loss", plugin: str | None = "scalars") -> Event:
    metadata = None
    if plugin is not None:
        metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=plugin))
    value = Summary.Value(tag=tag, tensor=tensor, metadata=metadata)
    return Event(wall_time=5.0 + step, step=step, summary=Summary(value=[value]))


def values(folder: Path) -> list[float]:
    found: list[float] = read_scalars(folder)["value"].tolist()
    return found


def as_bytes(number: Any) -> TensorProto:
    """As TensorFlow's own writer keeps a number."""
    made = make_tensor_proto(number)
    return TensorProto(dtype=made.dtype, tensor_shape=made.tensor_shape, tensor_content=number.tobytes())


@pytest.mark.parametrize("make", [make_tensor_proto, as_bytes])
@pytest.mark.parametrize("kind", TYPES)
def test_a_tensor_of_one_number(tmp_path: Path, kind: str, make: Any) -> None:
    number = np.dtype(kind).type(1)
    file = write_file(tmp_path, [tensor_event(step, make(number)) for step in range(3)])
    assert values(tmp_path) == [1.0] * 3
    if kind.startswith("float") and make is make_tensor_proto:
        assert [row[1:] for row in stock_scalars(file)] == [(step, 5.0 + step, 1.0) for step in range(3)]


@pytest.mark.parametrize(
    ("tensor", "number"),
    [
        (TensorProto(dtype=BFLOAT16, half_val=[ONE_AND_A_HALF]), 1.5),
        (TensorProto(dtype=BFLOAT16, tensor_content=ONE_AND_A_HALF.to_bytes(2, "little")), 1.5),
        (TensorProto(dtype=UINT32, uint32_val=[2**32 - 1]), 2.0**32 - 1),
        (TensorProto(dtype=UINT64, uint64_val=[2**63]), 2.0**63),
        (TensorProto(dtype=UINT64, tensor_content=(2**63).to_bytes(8, "little")), 2.0**63),
        (make_tensor_proto(np.int64(-3)), -3.0),
        (make_tensor_proto(np.float64(0.1)), 0.1),
    ],
)
def test_rare_types_and_exact_numbers(tmp_path: Path, tensor: TensorProto, number: float) -> None:
    write_file(tmp_path, [tensor_event(1, tensor)])
    assert values(tmp_path) == [number]


def test_not_finite_numbers_stay(tmp_path: Path) -> None:
    numbers = [np.float32("nan"), np.float64("inf"), np.float32("-inf")]
    write_file(tmp_path, [tensor_event(step, make_tensor_proto(each)) for step, each in enumerate(numbers)])
    assert repr(values(tmp_path)) == "[nan, inf, -inf]"


@pytest.mark.parametrize(
    ("tensor", "plugin"),
    [
        (make_tensor_proto(np.ones(3, np.float32)), "scalars"),
        (make_tensor_proto(np.ones(1, np.float32)), "scalars"),
        (make_tensor_proto(np.zeros(0, np.float32)), "hparams"),
        (make_tensor_proto("text"), "text"),
        (make_tensor_proto(np.float32(1)), "pr_curves"),
        (TensorProto(dtype=7, tensor_content=b"1234"), "scalars"),
        (TensorProto(), "scalars"),
    ],
)
def test_what_is_no_scalar_is_left_out_of_tensors(tmp_path: Path, tensor: TensorProto, plugin: str) -> None:
    write_file(tmp_path, [tensor_event(1, tensor, "other", plugin), scalar_event(1.0, 1, [("loss", 1.0)])])
    assert read_scalars(tmp_path)["tag"].tolist() == ["loss"]


def test_metadata_only_at_the_first_value(tmp_path: Path) -> None:
    tensor = make_tensor_proto(np.float32(0.5))
    write_file(tmp_path, [tensor_event(1, tensor), tensor_event(2, tensor, plugin=None)])
    assert values(tmp_path) == [0.5, 0.5]


@given(content=st.binary(max_size=60))
def test_any_bytes_as_a_tensor_or_metadata(tmp_path: Path, content: bytes) -> None:
    for field in (b"\x42", b"\x4a"):
        value = b"\x0a\x01a" + field + bytes([len(content)]) + content
        summary = b"\x0a" + bytes([len(value)]) + value
        event = b"\x09" + bytes(8) + b"\x2a" + bytes([len(summary)]) + summary
        (tmp_path / FILE_NAME).write_bytes(record(event))
        read_scalars(tmp_path)


def sessions(folder: Path) -> Session:
    session = Session()
    for path in folder.iterdir():
        file = EventFile(path)
        assert sum(len(points) for _, points in read_on([file], {})) == 0
        for content in file.sessions:
            session.note(content)
    return session


def test_parameters_and_status(tmp_path: Path) -> None:
    params = {"lr": 0.001, "batch": 32, "name": "adamw", "bias": True, "ä": "ü"}
    writer = EventWriter(tmp_path)
    writer.hparams(params)
    assert (sessions(tmp_path).params, sessions(tmp_path).status) == (params, None)
    writer.status(TrialState.FAILED)
    assert sessions(tmp_path).status == "failure"


@given(content=st.binary(max_size=60))
def test_any_bytes_as_a_session(content: bytes) -> None:
    session = Session()
    for said in (content, b"\x1a" + bytes([len(content)]) + content):
        session.note(said)


@given(data=st.data())
def test_read_on_from_wherever_a_file_ended(tmp_path: Path, data: st.DataObject) -> None:
    events = [scalar_event(5.0 + step, step, [("a", step / 2), ("b", 1.0)]) for step in range(6)]
    whole = write_file(tmp_path / "whole", events).read_bytes()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    path = tmp_path / FILE_NAME
    path.write_bytes(b"")
    file, tags, parts = EventFile(path), {}, [Points.none()]
    for size in [*cuts, len(whole)]:
        path.write_bytes(whole[:size])
        parts += [points for _, points in read_on([file], tags)]
    found = join(parts)
    assert file.offset == len(whole)
    for tag, numbers in {"a": [step / 2 for step in range(6)], "b": [1.0] * 6}.items():
        mine = found.at(found.tag == tags[tag])
        assert (mine.step.tolist(), mine.value.tolist()) == ([*range(6)], numbers)


def test_many_files_side_by_side_are_kept_apart(tmp_path: Path) -> None:
    files = []
    for number in range(20):
        events = [scalar_event(1.0 + step, step, [(f"tag{number % 3}", number)]) for step in range(number)]
        files.append(EventFile(write_file(tmp_path / str(number), events), prefix="p/" if number % 2 else ""))
        if number % 4 == 3:
            content = files[-1].path.read_bytes()
            files[-1].path.write_bytes(content[: -(number % 9) - 1])
    tags: dict[str, int] = {}
    found = {id(file): points for file, points in read_on(files, tags)}
    names = list(tags)
    for number, file in enumerate(files):
        points = found.get(id(file), Points.none())
        assert len(points) == number - (number % 4 == 3)
        assert set(points.value.tolist()) <= {float(number)}
        assert {names[tag] for tag in points.tag} <= {f"{file.prefix}tag{number % 3}"}


def test_records_larger_than_a_chunk(tmp_path: Path) -> None:
    image = Summary.Value(tag="image", image=Summary.Image(encoded_image_string=bytes(CHUNK_BYTES + 99)))
    large = Event(wall_time=2.0, step=1, summary=Summary(value=[image]))
    before, after = ([scalar_event(1.0, step, [("loss", step)])] for step in (0, 2))
    write_file(tmp_path, [*before, large, *after])
    assert values(tmp_path) == [0.0, 2.0]


def test_a_damaged_length_ends_the_file(tmp_path: Path) -> None:
    file = write_file(tmp_path, [scalar_event(1.0, 0, [("loss", 0.0)])])
    whole = file.read_bytes()
    file.write_bytes(whole + b"\xff" * 6 + bytes(CHUNK_BYTES))
    assert values(tmp_path) == [0.0]
