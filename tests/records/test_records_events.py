"""What we write is on disk after each call, and stock TensorBoard shows it."""

import threading
from pathlib import Path
from typing import Any

import pytest
from records_events import stock_scalars
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams.backend_context import Context
from tensorboard.plugins.hparams.get_experiment import Handler as GetExperiment
from tensorboard.plugins.hparams.list_session_groups import Handler as ListSessionGroups

from tuner.records.event_reader import read_scalars
from tuner.records.events import EventWriter
from tuner.records.paths import ExperimentPaths
from tuner.records.states import TrialState

ADAM = {"train.optimizer": "adamw", "train.optimizer.adamw.lr": 0.001, "train.batch_size": 32}
SGD = {"train.optimizer": "sgd", "train.optimizer.sgd.lr": 0.1, "train.batch_size": 64}
OTHERS = {"model.bias": True, "model.norm": None, "model.sizes": [8, 16], "train.batch_size": 128}
TRIALS: list[tuple[dict[str, Any], list[float], TrialState]] = [
    (ADAM, [0.9, 0.5], TrialState.COMPLETE),
    (SGD, [0.8], TrialState.STOPPED),
    (OTHERS, [0.7, float("nan")], TrialState.DIVERGED),
]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Three trials, as in an experiment's folder."""
    paths = ExperimentPaths(tmp_path / 'it\'s my "experiment"')
    for number, (params, losses, state) in enumerate(TRIALS):
        writer = EventWriter(paths.trial(number).root)
        writer.hparams(params)
        for step, loss in enumerate(losses, 1):
            writer.scalars(step, {"val/loss": loss, "train/lr": 0.25})
        writer.status(state)
        writer.close()
    return paths.root


class Hparams:
    """The backend of TensorBoard's HParams tab over a folder."""

    def __init__(self, folder: Path) -> None:
        multiplexer = EventMultiplexer().AddRunsFromDirectory(str(folder))
        multiplexer.Reload()
        provider = MultiplexerDataProvider(multiplexer, str(folder))
        self._context = Context(TBContext(data_provider=provider))

    def experiment(self) -> Any:
        return GetExperiment(RequestContext(), self._context, "", api_pb2.GetExperimentRequest()).run()

    def session_groups(self) -> dict[str, Any]:
        metrics = [api_pb2.ColParams(metric=info.name) for info in self.experiment().metric_infos]
        hparams = [api_pb2.ColParams(hparam=info.name) for info in self.experiment().hparam_infos]
        request = api_pb2.ListSessionGroupsRequest(
            start_index=0, slice_size=100, col_params=[*hparams, *metrics], allowed_statuses=range(4)
        )
        found = ListSessionGroups(RequestContext(), self._context, "", request).run()
        return {group.sessions[0].name: group for group in found.session_groups}


def plain(value: Any) -> Any:
    return getattr(value, value.WhichOneof("kind"))


def test_hparams_tab_shows_all_parameters_and_metrics(tree: Path) -> None:
    experiment = Hparams(tree).experiment()
    assert {info.name for info in experiment.hparam_infos} == {*ADAM, *SGD, *OTHERS}
    assert {info.name.tag for info in experiment.metric_infos} == {"val/loss", "train/lr"}


def test_hparams_tab_shows_each_trial(tree: Path) -> None:
    groups = Hparams(tree).session_groups()
    assert sorted(groups) == [f"trials/{number:05d}" for number in range(3)]
    shown = [
        {name: plain(value) for name, value in groups[run].hparams.items() if value.WhichOneof("kind")}
        for run in sorted(groups)
    ]
    assert shown == [ADAM, SGD, {**OTHERS, "model.norm": "None", "model.sizes": "[8, 16]"}]


def test_hparams_tab_shows_last_metrics_and_status(tree: Path) -> None:
    groups = Hparams(tree).session_groups()
    losses = [
        metric.value
        for run in sorted(groups)
        for metric in groups[run].metric_values
        if metric.name.tag == "val/loss"
    ]
    assert losses == pytest.approx([0.5, 0.8, float("nan")], nan_ok=True)
    statuses = [groups[run].sessions[0].status for run in sorted(groups)]
    success, failure = api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE
    assert statuses == [success, success, failure]


@pytest.mark.parametrize("state", [state for state in TrialState if state.is_finished()])
def test_status_of_each_end(tmp_path: Path, state: TrialState) -> None:
    writer = EventWriter(tmp_path / "trial")
    writer.hparams({"lr": 0.1})
    writer.status(state)
    (group,) = Hparams(tmp_path).session_groups().values()
    is_sound = state in {TrialState.COMPLETE, TrialState.STOPPED}
    assert group.sessions[0].status == (api_pb2.STATUS_SUCCESS if is_sound else api_pb2.STATUS_FAILURE)
    writer.close()


def test_hparam_types(tmp_path: Path) -> None:
    params = {"float": 0.5, "int": 3, "bool": False, "text": "relu", "none": None, "list": [1, "a"]}
    writer = EventWriter(tmp_path / "trial")
    writer.hparams(params)
    writer.close()
    (group,) = Hparams(tmp_path).session_groups().values()
    shown = {name: plain(value) for name, value in group.hparams.items()}
    assert shown == {**params, "int": 3.0, "none": "None", "list": "[1, 'a']"}
    assert shown["bool"] is False


def test_stock_accumulator_reads_the_scalars(tree: Path) -> None:
    accumulator = EventAccumulator(str(ExperimentPaths(tree).trial(0).root)).Reload()
    found = {
        tag: [(event.step, event.value) for event in accumulator.Scalars(tag)]
        for tag in accumulator.Tags()["scalars"]
    }
    assert found == {
        "val/loss": [(1, pytest.approx(0.9)), (2, 0.5)],
        "train/lr": [(1, 0.25), (2, 0.25)],
    }


def test_scalars_are_on_disk_when_the_call_returns(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path)
    (file,) = tmp_path.iterdir()
    for step in range(5):
        writer.scalars(step, {"loss": float(step)}, wall_time_s=10.0 + step)
        assert stock_scalars(file)[-1] == ("loss", step, 10.0 + step, float(step))
    writer.close()


def test_one_call_is_one_event(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path)
    writer.scalars(3, {"a": 1.0, "b": 2.0, "c": 3.0})
    writer.close()
    frame = read_scalars(tmp_path)
    assert frame["tag"].tolist() == ["a", "b", "c"]
    assert frame["wall_time"].nunique() == 1


def test_non_finite_values_are_written(tmp_path: Path) -> None:
    writer = EventWriter(tmp_path)
    writer.scalars(1, {"a": float("nan"), "b": float("inf"), "c": float("-inf")})
    writer.close()
    nan, *infinite = read_scalars(tmp_path)["value"]
    assert nan != nan
    assert infinite == [float("inf"), float("-inf")]


def test_writer_starts_no_thread(tmp_path: Path) -> None:
    before = threading.active_count()
    writer = EventWriter(tmp_path)
    writer.scalars(1, {"loss": 0.5})
    assert threading.active_count() == before
    writer.close()


def test_restart_within_a_second_keeps_the_first_file(tmp_path: Path) -> None:
    for start in (0, 2):
        writer = EventWriter(tmp_path)
        for step in range(start, start + 3):
            writer.scalars(step, {"loss": float(start)})
        writer.close()
    assert len(list(tmp_path.iterdir())) == 2
    assert read_scalars(tmp_path)["value"].tolist() == [0.0, 0.0, 2.0, 2.0, 2.0]


def test_purge_step_makes_stock_tensorboard_forget_the_overlap(tmp_path: Path) -> None:
    for start, purge_step in ((0, None), (2, 2)):
        writer = EventWriter(tmp_path, purge_step=purge_step)
        for step in range(start, start + 4):
            writer.scalars(step, {"loss": float(start)})
        writer.close()
    stock = [(event.step, event.value) for event in EventAccumulator(str(tmp_path)).Reload().Scalars("loss")]
    ours = read_scalars(tmp_path)
    assert stock == list(zip(ours["step"], ours["value"], strict=True))
    assert [step for step, _ in stock] == [0, 1, 2, 3, 4, 5]
