"""A function on real gangs that does not report what is bounded, and one that never ends by itself."""

import pytest

import tuner
from tuner.errors import ExperimentError
from tuner.records.states import TrialState
from tuner.results.result import Result

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def endless(config, trial):
    step = 0
    while True:
        step += 1
        yield {"loss": config["x"] / step, "size": 1.0}


def experiment(**changes):
    return tuner.Experiment(
        train=endless,
        space={"x": tuner.Choice([1, 2, 3, 4])},
        metric="loss",
        trials=4,
        sampler="grid",
        gpus_per_worker=0,
        **changes,
    )


def test_a_bound_on_what_nobody_reports_is_one_error_and_one_row(tmp_path):
    sentence = "search.constraints.sise must be in every report .* found no 'sise' .* did you mean 'size'"
    with pytest.raises(ExperimentError, match=sentence) as raised:
        tuner.run(experiment(constraints={"sise": {"max": 2.0}}, scheduler="none"), results=tmp_path)
    assert raised.value.exit_status == 2
    result = Result.open(tmp_path / "endless")
    states = [row.state for row in result.rows]
    assert states.count(TrialState.FAILED) == 1
    assert set(states) <= {TrialState.FAILED, TrialState.STOPPED}
    assert {row.reason for row in result.rows} == {str(raised.value)}
    assert result.end_reason == str(raised.value)


@pytest.mark.parametrize("scheduler", ["none", {"type": "pbt", "interval": 2}])
def test_a_function_that_never_ends_is_complete_with_max_reports(tmp_path, scheduler):
    result = tuner.run(experiment(max_reports=5, checkpoints=True, scheduler=scheduler), results=tmp_path)
    assert {(row.state, row.reports) for row in result.rows} == {(TrialState.COMPLETE, 5)}
    assert len(result.rows) == 4
