"""One real search with a function of one's own, of which one trial raises and one reports NaN."""

from collections.abc import Iterator
from typing import Any

import pytest

import tuner
from tuner.records.paths import TrialPaths
from tuner.results.result import Result
from tuner.training.report import Trial

RAISES, REPORTS_NAN, TRIALS, REPORTS = 1, 2, 5, 3


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    # A nested function travels to the worker by value; this module cannot be imported there.
    def train(config: dict[str, Any], trial: Trial) -> Iterator[dict[str, float]]:
        print(f"trial {trial.number} trains at {config['lr']}")
        for step in range(REPORTS):
            if trial.number == RAISES and step == 1:
                raise LookupError("no such row\nand a second line")
            value = float("nan") if trial.number == REPORTS_NAN else trial.number + 1 / (step + 1)
            yield {"score": value, "step": step}

    experiment = tuner.Experiment(
        train=train,
        space={"lr": tuner.Float(1e-3, 1e-1, log=True), "betas": [0.9, 0.99]},
        metric="score",
        name="own",
        trials=TRIALS,
        max_reports=REPORTS,
        scheduler="none",
    )
    return tuner.run(experiment, results=tmp_path_factory.mktemp("it's a folder"), seed=1)


pytestmark = [pytest.mark.ray, pytest.mark.slow]


def test_the_search_goes_on_after_a_trial_that_raised(result: Result) -> None:
    assert [row.state.value for row in result.rows] == [
        "COMPLETE",
        "FAILED",
        "DIVERGED",
        "COMPLETE",
        "COMPLETE",
    ]
    assert result.rows[RAISES].reason == "LookupError: no such row"
    assert "not finite" in result.rows[REPORTS_NAN].reason


def test_the_log_holds_output_and_traceback(result: Result) -> None:
    log = TrialPaths(result.paths.trial(RAISES).root).log.read_text()
    assert log.startswith("trial 1 trains at ")
    assert 'raise LookupError("no such row' in log
    assert "LookupError: no such row\nand a second line" in log


def test_the_best_is_a_sound_trial(result: Result) -> None:
    best = result.best
    assert best.number == 0
    assert best.value == pytest.approx(1 / 3)
    assert best.params.keys() == {"lr"}
    assert best.metrics["score"] == best.value


def test_trials_and_curves_are_tables(result: Result) -> None:
    trials = result.trials.set_index("number")
    assert trials["reports"].tolist() == [3, 1, 1, 3, 3]
    assert trials["last/score"].isna().tolist() == [False, False, True, False, False]

    curve = result.curves("score")
    assert curve.loc[curve["trial"] == 3, "value"].tolist() == pytest.approx([4, 3.5, 3 + 1 / 3])
    assert curve.loc[curve["trial"] == REPORTS_NAN, "value"].isna().tolist() == [True]
    assert Result.open(result.paths.root).curves("score").equals(curve)


def test_nothing_is_left_over(result: Result) -> None:
    assert sorted(path.name for path in result.paths.root.iterdir()) == [
        ".lock",
        "decisions.jsonl",
        "environment.json",
        "experiment.yaml",
        "study.journal",
        "trials",
        "trials.csv",
    ]
