"""Tables, the best trial and curves of a folder made by hand."""

import math
from pathlib import Path

import pytest
from results_folder import experiment, row, write, write_curve

import tuner
from tuner.errors import ResultsError, TunerError
from tuner.records.states import TrialState
from tuner.results.result import Result

LOSS = {"search": {"metric": "val/loss"}}


def test_best_is_the_largest_accuracy(tmp_path: Path) -> None:
    rows = [row(0, "COMPLETE", 0.7, 0.8), row(1, "STOPPED", 0.9, 0.6), row(2, "COMPLETE", 0.85)]

    best = write(tmp_path / "e", rows, experiment()).best

    assert (best.number, best.value, dict(best.metrics)) == (1, 0.9, {"val/accuracy": 0.9})
    assert best.params == {"model.width": 8, "train.optimizer.lr": 0.01}


def test_best_is_the_smallest_loss(tmp_path: Path) -> None:
    rows = [
        row(0, "COMPLETE", 0.7, 0.4, metric="val/loss"),
        row(1, "COMPLETE", 0.3, 0.9, metric="val/loss"),
        row(2, "RUNNING", 0.5, metric="val/loss"),
    ]

    best = write(tmp_path / "e", rows, experiment(**LOSS)).best

    assert (best.number, best.value) == (1, 0.3)


@pytest.mark.parametrize("state", ["FAILED", "DIVERGED", "INFEASIBLE"])
def test_an_unsound_trial_never_wins(tmp_path: Path, state: str) -> None:
    rows = [row(0, state, 1.0), row(1, "STOPPED", 0.2), row(2, "FAILED")]
    assert write(tmp_path / "e", rows, experiment()).best.number == 1


def test_without_a_value_there_is_no_best(tmp_path: Path) -> None:
    result = write(tmp_path / "e", [row(0, "FAILED"), row(1, "DIVERGED", 0.5)], experiment())

    with pytest.raises(TunerError, match=r"needs a finite val/accuracy.*states: DIVERGED, FAILED") as error:
        _ = result.best

    assert error.value.exit_status == 1


def test_a_folder_without_an_experiment_is_none(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="an experiment's folder holds experiment.yaml, but .* does not"):
        Result.open(tmp_path)


def test_trials_are_a_table(tmp_path: Path) -> None:
    result = write(tmp_path / "e", [row(0, "COMPLETE", 0.7, 0.8), row(1, "FAILED")], experiment())

    table = result.trials.set_index("number")

    assert table["state"].tolist() == ["COMPLETE", "FAILED"]
    assert table["best/val/accuracy"].tolist()[0] == 0.8
    assert table["best/val/accuracy"].isna().tolist() == [False, True]
    assert table["param/model.width"].tolist() == [8, 8]
    assert table["reports"].tolist() == [2, 0]


def test_an_experiment_that_has_just_begun_is_empty(tmp_path: Path) -> None:
    result = write(tmp_path / "e", [], experiment())
    result.paths.trials_csv.unlink()

    assert len(result.trials) == 0
    assert list(result.curves("val/loss").columns) == ["trial", "step", "wall_time_s", "value"]
    assert result.saved_share(4) is None
    assert result.num_by_state() == {}


def test_saved_share_counts_what_ended(tmp_path: Path) -> None:
    rows = [row(0, "COMPLETE", *[0.5] * 4), row(1, "STOPPED", 0.5), row(2, "RUNNING", 0.5)]
    result = write(tmp_path / "e", rows, experiment())

    assert result.saved_share(4) == pytest.approx(3 / 8)
    assert result.saved_share(None) is None
    assert result.num_by_state() == {
        TrialState.RUNNING: 1,
        TrialState.COMPLETE: 1,
        TrialState.STOPPED: 1,
    }


def test_curves_of_one_metric_and_of_all(tmp_path: Path) -> None:
    result = write(
        tmp_path / "e", [row(0, "COMPLETE", 0.5), row(1, "FAILED"), row(2, "STOPPED", 0.5)], experiment()
    )
    write_curve(result, 0, "val/loss", [0.9, 0.5])
    write_curve(result, 2, "val/loss", [math.nan])
    write_curve(result, 2, "train/loss", [0.25])

    curve = result.curves("val/loss")

    assert list(curve.columns) == ["trial", "step", "wall_time_s", "value"]
    assert curve[["trial", "step"]].to_numpy().tolist() == [[0, 1], [0, 2], [2, 1]]
    assert curve["value"].tolist() == pytest.approx([0.9, 0.5, math.nan], nan_ok=True)
    assert curve["wall_time_s"].tolist() == [1001.0, 1002.0, 1001.0]
    assert sorted(set(result.curves()["tag"])) == ["train/loss", "val/loss"]


def test_a_function_of_ones_own_has_no_model(tmp_path: Path) -> None:
    own = tuner.Experiment(train=print, space={"lr": tuner.Float(0.1, 1.0)}, metric="score")
    best = write(tmp_path / "e", [row(0, "COMPLETE", 0.5, metric="score")], own).best

    assert best.value == 0.5
    for use in (best.load, lambda: best.measure("val"), lambda: best.export(tmp_path / "out")):
        with pytest.raises(ResultsError, match="trains by a function of its own"):
            use()
