"""Logs that others wrote are runs too: torch's writer, Keras' folders, Lightning's versions."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util.tensor_util import make_tensor_proto
from torch.utils.tensorboard import SummaryWriter

from tuner.errors import ResultsError
from tuner.records.events import EventWriter
from tuner.records.states import TrialState
from tuner.results.aggregate import Follower, Tables, read_tables


def points(tables: Tables, trial: int = 0) -> dict[str, list[tuple[int, float]]]:
    found: dict[str, list[tuple[int, float]]] = {}
    for point in tables.curves[tables.curves["trial"] == trial].itertuples():
        found.setdefault(point.tag, []).append((point.step, point.value))
    return found


def row(tables: Tables, number: int = 0) -> dict[str, Any]:
    one = tables.trials.set_index("number").loc[number]
    return {name: value for name, value in one.items() if not pd.isna(value)}


def write(folder: Path, *values: float, tag: str = "loss") -> None:
    writer = EventWriter(folder)
    for step, value in enumerate(values):
        writer.scalars(step, {tag: value}, wall_time_s=100.0 + step)
    writer.close()


def keras(folder: Path, values: list[float]) -> None:
    """As `tf.summary.scalar` writes: tensors, and beside them what is no scalar."""
    writer = EventFileWriter(str(folder))
    for step, value in enumerate(values):
        plugin = SummaryMetadata.PluginData(plugin_name="scalars")
        metadata = SummaryMetadata(plugin_data=plugin, data_class="DATA_CLASS_SCALAR")
        tensor = make_tensor_proto(np.float32(value))
        scalar = Summary.Value(tag="epoch_loss", tensor=tensor, metadata=metadata)
        text = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="graph_keras_model"))
        graph = Summary.Value(tag="keras", tensor=make_tensor_proto("{}"), metadata=text)
        writer.add_event(Event(wall_time=100.0 + step, step=step, summary=Summary(value=[scalar, graph])))
    writer.close()


@pytest.mark.parametrize("new_style", [False, True])
def test_torchs_writer_with_hparams(tmp_path: Path, new_style: bool) -> None:
    with SummaryWriter(str(tmp_path / "runs" / "one")) as writer:
        for step in range(3):
            writer.add_scalar("loss", step / 2, step, new_style=new_style)
            writer.add_histogram("weights", np.arange(4.0), step)
            writer.add_text("words", "none", step)
        writer.add_scalar("exact", 0.1, 1, new_style=new_style, double_precision=new_style)
        writer.add_hparams({"lr": 0.5, "name": "sgd", "nesterov": True}, {"final": 0.25})
    tables = read_tables(tmp_path)
    assert tables.trials["name"].tolist() == ["runs/one"]
    found = points(tables)
    assert found["loss"] == [(0, 0.0), (1, 0.5), (2, 1.0)]
    assert found["exact"] == [(1, 0.1 if new_style else float(np.float32(0.1)))]
    assert found["final"] == [(0, 0.25)]
    assert set(found) == {"loss", "exact", "final"}
    told = row(tables)
    assert (told["param/lr"], told["param/name"], told["param/nesterov"]) == (0.5, "sgd", True)
    assert (told["last/loss"], told["min/loss"], told["max/loss"], told["steps"]) == (1.0, 0.0, 1.0, 2)


def test_keras_splits_are_one_run(tmp_path: Path) -> None:
    for run in ("20260101-1", "20260101-2"):
        keras(tmp_path / run / "train", [0.5, 0.25])
        keras(tmp_path / run / "validation", [0.75])
    tables = read_tables(tmp_path)
    assert tables.trials["name"].tolist() == ["20260101-1", "20260101-2"]
    for trial in (0, 1):
        found = points(tables, trial)
        assert found == {"train/epoch_loss": [(0, 0.5), (1, 0.25)], "validation/epoch_loss": [(0, 0.75)]}
    assert points(read_tables(tmp_path / "20260101-1" / "train")) == {"epoch_loss": [(0, 0.5), (1, 0.25)]}


@pytest.mark.parametrize(
    ("text", "params", "reason"),
    [
        (
            "lr: 1e-3\nmodel: {depth: 3, sizes: [8, 16]}\nname: x\nnothing: null\n",
            {"lr": 0.001, "model.depth": 3, "model.sizes": "[8, 16]", "name": "x"},
            "",
        ),
        ("", {}, ""),
        ("- 1\n", {}, ""),
        ("lr: [", {}, "no parameters from hparams.yaml: "),
        ("lr: !!python/object/apply:os.system ['touch ran']\n", {}, "no parameters from hparams.yaml: "),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n", {"a": "['x', 'x']"}, ""),
    ],
)
def test_lightnings_versions(
    tmp_path: Path, text: str, params: dict[str, Any], reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number in (10, 9):
        version = tmp_path / "lightning_logs" / f"version_{number}"
        write(version, 0.5)
        (version / "hparams.yaml").write_text(text)
    tables = read_tables(tmp_path)
    assert tables.trials["name"].tolist() == ["lightning_logs/version_9", "lightning_logs/version_10"]
    told = row(tables)
    assert {name: told.get(f"param/{name}") for name in params} == params
    assert str(told["reason"]).startswith(reason)
    assert not (tmp_path / "ran").exists()


def test_how_runs_ended(tmp_path: Path) -> None:
    states = [TrialState.COMPLETE, TrialState.FAILED, None]
    for number, state in enumerate(states):
        write(tmp_path / str(number), 0.5, 0.25)
        if state is not None:
            EventWriter(tmp_path / str(number)).status(state)
    trials = read_tables(tmp_path).trials
    assert trials["state"].tolist()[:2] == ["COMPLETE", "FAILED"]
    assert trials["state"].isna().tolist() == [False, False, True]
    assert trials["seconds"].tolist() == [1.0] * 3


def test_runs_come_while_one_looks(tmp_path: Path) -> None:
    write(tmp_path / "b", 0.5)
    follower = Follower(tmp_path)
    assert follower.poll().trials["name"].tolist() == ["b"]
    assert not follower.poll()
    write(tmp_path / "a", 0.25)
    write(tmp_path / "b" / "train", 0.125)
    changes = follower.poll()
    assert changes.trials["name"].tolist() == ["b", "a"]
    assert changes.curves[["trial", "tag", "value"]].to_numpy().tolist() == [
        [0, "train/loss", 0.125],
        [1, "loss", 0.25],
    ]
    (tmp_path / "a" / "hparams.yaml").write_text("lr: 0.5")
    assert follower.poll().trials["param/lr"].tolist() == [0.5]
    assert not follower.poll()
    assert follower.tables.trials["name"].tolist() == ["b", "a"]


def test_a_folder_with_several_experiments_is_logs_too(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write(tmp_path / name / "trials" / "00000", 0.5)
        (tmp_path / name / "experiment.yaml").touch()
    assert read_tables(tmp_path).trials["name"].tolist() == ["one/trials/00000", "two/trials/00000"]


def test_the_folder_itself_is_a_run(tmp_path: Path) -> None:
    write(tmp_path, 0.5)
    assert read_tables(tmp_path).trials["name"].tolist() == ["."]


def test_what_is_hidden_or_leads_in_a_circle_is_not_read(tmp_path: Path) -> None:
    write(tmp_path / "a", 0.5)
    write(tmp_path / ".hidden", 0.5)
    (tmp_path / "a" / "circle").symlink_to(tmp_path)
    (tmp_path / "a" / "events.out.tfevents.folder").mkdir()
    (tmp_path / "a" / "events.out.tfevents.lost").symlink_to("nowhere")
    assert read_tables(tmp_path).trials["name"].tolist() == ["a"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_that_may_not_be_read(tmp_path: Path) -> None:
    write(tmp_path, 0.5)
    for file in tmp_path.iterdir():
        file.chmod(0)
    with pytest.raises(ResultsError, match="event files must be readable"):
        read_tables(tmp_path)
