"""Our parser finds what TensorBoard's finds, in whole, torn, restarted and odd files."""

import math
import random
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from records_events import FILE_NAME, Scalar, record, scalar_event, stock_scalars, write_file
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.summary_pb2 import Summary

from tuner.records.event_reader import EventFile, begun_ns, event_files, read_on, read_scalars
from tuner.records.events import EventWriter

COLUMNS = ["tag", "step", "wall_time", "value"]
TAGS = [
    "train/loss",
    "val/loss",
    "a",
    "eight_8!",
    "nine_tag9",
    "a tag with späces, and 30 letters",
    "train/lr",
]


def assert_scalars(folder: Path, expected: list[Scalar]) -> None:
    pd.testing.assert_frame_equal(read_scalars(folder), frame(expected))


def frame(rows: list[Scalar]) -> pd.DataFrame:
    types = {"tag": "str", "step": "int64", "wall_time": "float64", "value": "float64"}
    made: pd.DataFrame = pd.DataFrame(rows, columns=COLUMNS).astype(types)
    return made


def random_values(generator: random.Random) -> dict[str, float]:
    special = [float("nan"), float("inf"), float("-inf"), 0.0, -0.0, 1e-30, 3.0]
    tags = generator.sample(TAGS, generator.randint(1, len(TAGS)))
    return {tag: generator.choice([generator.gauss(0, 1), generator.choice(special)]) for tag in tags}


def written(folder: Path, num_events: int, seed: int = 0) -> Path:
    generator = random.Random(seed)
    writer = EventWriter(folder)
    writer.hparams({"lr": 0.1, "name": "x"})
    for step in range(num_events):
        writer.scalars(step * 37, random_values(generator), wall_time_s=1.7e9 + step / 3)
    writer.close()
    (file,) = folder.iterdir()
    return file


@pytest.mark.parametrize("seed", range(3))
def test_equal_to_stock_reader(tmp_path: Path, seed: int) -> None:
    file = written(tmp_path, 200, seed)
    assert_scalars(tmp_path, stock_scalars(file))
    assert read_scalars(tmp_path)["value"].isna().any()


def test_equal_to_stock_reader_at_every_truncation(tmp_path: Path) -> None:
    whole = written(tmp_path / "whole", 6).read_bytes()
    cut = tmp_path / "cut" / FILE_NAME
    cut.parent.mkdir()
    for size in range(len(whole) + 1):
        cut.write_bytes(whole[:size])
        assert_scalars(cut.parent, stock_scalars(cut))


@pytest.mark.parametrize("step", [0, 1, 127, 128, 16_384, 2**31, 2**63 - 1, -1])
def test_steps_of_any_size(tmp_path: Path, step: int) -> None:
    write_file(tmp_path, [scalar_event(5.0, step, [("loss", 0.5)])])
    assert_scalars(tmp_path, [("loss", step, 5.0, 0.5)])


def test_values_of_any_number_in_one_event(tmp_path: Path) -> None:
    values = [(f"m/{index:03d}", float(index)) for index in range(300)]
    write_file(tmp_path, [scalar_event(5.0, 1, values), scalar_event(6.0, 2, [])])
    assert_scalars(tmp_path, [(tag, 1, 5.0, value) for tag, value in values])


def test_events_that_do_not_begin_with_their_time(tmp_path: Path) -> None:
    events = [scalar_event(0.0 if step % 2 else 9.0, step, [("loss", step / 2)]) for step in range(20)]
    file = write_file(tmp_path, events)
    assert_scalars(tmp_path, stock_scalars(file))
    assert len(read_scalars(tmp_path)) == 20


@pytest.mark.parametrize("wall_times", [[9.0, 9.0, 0.0], [0.0, 9.0, 9.0], [9.0, 0.0, 9.0], [0.0, 0.0]])
def test_no_event_is_lost_beside_those_that_begin_with_their_time(
    tmp_path: Path, wall_times: list[float]
) -> None:
    events = [scalar_event(time, step, [("loss", 0.5)]) for step, time in enumerate(wall_times)]
    write_file(tmp_path, events)
    assert_scalars(tmp_path, [("loss", step, time, 0.5) for step, time in enumerate(wall_times)])


def test_fields_in_another_order_and_unknown_ones(tmp_path: Path) -> None:
    event = scalar_event(7.0, 3, [("loss", 0.25)])
    time_step, summary = Event(wall_time=7.0, step=3).SerializeToString(), b"\x2a\x0d"
    summary += event.summary.SerializeToString()
    unknown = b"\xa2\x06\x03abc" + b"\xa8\x06\x81\x01"  # fields 100 (bytes) and 101 (varint)
    (tmp_path / FILE_NAME).write_bytes(
        record(summary + unknown + time_step) + record(event.SerializeToString())
    )
    assert_scalars(tmp_path, [("loss", 3, 7.0, 0.25)] * 2)


def test_what_is_no_scalar_is_left_out(tmp_path: Path) -> None:
    odd = Summary(
        value=[Summary.Value(tag="image", image=Summary.Image(height=2)), Summary.Value(tag="none")]
    )
    write_file(tmp_path, [Event(step=1, summary=odd), scalar_event(1.0, 1, [("loss", 1.0)])])
    assert_scalars(tmp_path, [("loss", 1, 1.0, 1.0)])


def test_zeros_at_the_end_of_a_file_that_lost_power(tmp_path: Path) -> None:
    file = written(tmp_path, 5)
    expected = stock_scalars(file)
    file.write_bytes(file.read_bytes() + bytes(1000))
    assert_scalars(tmp_path, expected)


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
def test_garbage_never_raises(tmp_path: Path) -> None:
    file = written(tmp_path, 8)
    whole, generator = file.read_bytes(), random.Random(0)
    for _ in range(300):
        broken = bytearray(whole)
        for _ in range(generator.randint(1, 20)):
            broken[generator.randrange(len(broken))] = generator.randrange(256)
        file.write_bytes(broken)
        assert list(read_scalars(tmp_path).columns) == COLUMNS


@pytest.mark.parametrize("content", [None, b"", b"\x18"])
def test_nothing_to_read(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / FILE_NAME).write_bytes(content)
    assert_scalars(tmp_path, [])


def begun(wall_time: float, steps: range, tag: str = "loss") -> list[Event]:
    version = Event(wall_time=wall_time, file_version="brain.Event:2")
    return [version, *(scalar_event(wall_time + step, step, [(tag, wall_time)]) for step in steps)]


def test_later_file_wins_from_its_first_step_on(tmp_path: Path) -> None:
    write_file(tmp_path, begun(100.0, range(10)), "events.out.tfevents.z")
    write_file(tmp_path, begun(200.0, range(5, 8)), "events.out.tfevents.a")
    first = [("loss", step, 100.0 + step, 100.0) for step in range(5)]
    second = [("loss", step, 200.0 + step, 200.0) for step in range(5, 8)]
    assert_scalars(tmp_path, first + second)
    assert [file.name[-1] for file in event_files(tmp_path)] == ["z", "a"]


def test_third_file_wins_over_the_first_two(tmp_path: Path) -> None:
    for number, steps in enumerate([range(10), range(6, 12), range(3, 5)]):
        write_file(tmp_path, begun(100.0 * number, steps), f"events.out.tfevents.{number}")
    assert read_scalars(tmp_path)["step"].tolist() == [0, 1, 2, 3, 4]
    assert read_scalars(tmp_path)["value"].tolist() == [0.0, 0.0, 0.0, 200.0, 200.0]


def test_a_users_own_file_beside_ours_takes_nothing_away(tmp_path: Path) -> None:
    write_file(tmp_path, begun(100.0, range(3)), "events.out.tfevents.1")
    write_file(tmp_path, begun(200.0, range(3), tag="mine"), "events.out.tfevents.2")
    assert read_scalars(tmp_path)["tag"].tolist() == ["loss"] * 3 + ["mine"] * 3


def test_repeated_step_in_one_file_keeps_the_order_of_writing(tmp_path: Path) -> None:
    events = [scalar_event(1.0, 4, [("b", 1.0), ("a", 2.0)]), scalar_event(2.0, 4, [("a", 3.0)])]
    write_file(tmp_path, events)
    assert_scalars(tmp_path, [("a", 4, 1.0, 2.0), ("a", 4, 2.0, 3.0), ("b", 4, 1.0, 1.0)])


def test_value_keeps_the_bits_of_its_float32(tmp_path: Path) -> None:
    write_file(tmp_path, [scalar_event(1.0, 1, [("loss", 0.1)])])
    assert read_scalars(tmp_path)["value"].tolist() == [float(np.float32(0.1))]


def test_a_clock_that_was_set_back_between_two_files_changes_nothing(tmp_path: Path) -> None:
    first = EventWriter(tmp_path)
    for step in (1, 2, 3):
        first.scalars(step, {"a": 1.0})
    [file] = event_files(tmp_path)
    # As if a day had passed when it was written.
    secs, host, ns, pid = file.name.removeprefix("events.out.tfevents.").split(".")
    tomorrow = f"events.out.tfevents.{int(secs) + 86400}.{host}.{int(ns) + 86400 * 10**9}.{pid}"
    file.rename(tmp_path / tomorrow)
    second = EventWriter(tmp_path, purge_step=3)
    second.scalars(3, {"a": 2.0})
    second.scalars(4, {"a": 2.0})
    scalars = read_scalars(tmp_path)
    assert list(zip(scalars["step"], scalars["value"], strict=True)) == [(1, 1), (2, 1), (3, 2), (4, 2)]


def test_a_file_that_is_removed_while_it_is_read_has_nothing_more(tmp_path: Path) -> None:
    event = scalar_event(5.0, 1, [("loss", 0.5)])
    gone, there = [EventFile(write_file(tmp_path, [event], f"{name}.tfevents")) for name in ("gone", "there")]
    gone.path.unlink()
    assert [file for file, points in read_on([gone, there], {}) if len(points)] == [there]
    assert (begun_ns(gone.path), begun_ns(there.path)) == (math.inf, 5e9)
