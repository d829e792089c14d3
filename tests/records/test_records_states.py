"""The one table of transitions."""

from itertools import product

import pytest

from tuner.records.states import TrialState, advance

ENDS = ["COMPLETE", "STOPPED", "DIVERGED", "INFEASIBLE", "FAILED"]
LEGAL = {
    ("QUEUED", "RUNNING"),
    ("RUNNING", "PAUSED"),
    ("RUNNING", "QUEUED"),
    ("PAUSED", "QUEUED"),
    ("PAUSED", "RUNNING"),
    ("PAUSED", "STOPPED"),
    *product(["RUNNING"], ENDS),
}


@pytest.mark.parametrize(("old", "new"), list(product(TrialState, TrialState)))
def test_transitions(old: TrialState, new: TrialState) -> None:
    if (old.value, new.value) in LEGAL:
        assert advance(old, new) is new
    else:
        with pytest.raises(AssertionError, match=f"a trial does not go from {old.value} to {new.value}"):
            advance(old, new)


def test_finished_states() -> None:
    assert [state.value for state in TrialState if state.is_finished()] == ENDS


def test_state_is_its_text() -> None:
    assert TrialState("PAUSED") is TrialState.PAUSED
    assert TrialState.PAUSED == "PAUSED"
