"""Asking in a space of 40 parameters, half of them conditional, where 500 trials have been told.

How long it takes is measured in `benchmarks/ask.py`.
"""

from pathlib import Path
from typing import Any

import pytest
from optuna.trial import FrozenTrial, TrialState
from search_cases import SAMPLERS, SPACES, drive, make_search

from tuner.records.states import TrialState as RecordedState
from tuner.search.factory import make_searcher
from tuner.search.samplers import GP_MOST, Ask, CopySampler, make_sampler

SPACE = SPACES["forty"]
NUM_TOLD = 500
LEARNING = [sampler for sampler in SAMPLERS if sampler not in ("grid", "brute_force")]
"""A grid needs steps."""


@pytest.fixture(scope="module")
def told() -> list[FrozenTrial]:
    searcher = make_searcher(SPACE, make_search("random"), None)
    drive(searcher, 0, NUM_TOLD)
    return searcher._study.get_trials()


@pytest.mark.parametrize("sampler", LEARNING)
def test_suggestions_lie_inside_the_space(tmp_path: Path, told: list[FrozenTrial], sampler: str) -> None:
    search, journal = make_search(sampler, trials=600), tmp_path / "study.journal"
    make_searcher(SPACE, search, journal)._study.add_trials(told)
    searcher = make_searcher(SPACE, search, journal)
    for number in range(NUM_TOLD, NUM_TOLD + 2):
        suggestion = searcher.suggest()
        assert suggestion is not None
        assert suggestion.number == number
        SPACE.check(suggestion.params)


@pytest.mark.parametrize("changes", [{}, {"scheduler": {"type": "none"}}, {"mode": "max"}])
def test_gp_learns_from_so_many_of_them(told: list[FrozenTrial], changes: dict[str, Any]) -> None:
    search = make_search("gp", trials=600, **changes)
    searcher = make_searcher(SPACE, search, None)
    searcher._study.add_trials(told)
    sampler = make_sampler(Ask(SPACE, search, searcher._study, NUM_TOLD))
    assert isinstance(sampler, CopySampler)
    known = sampler.copy.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    assert len(known) == GP_MOST < NUM_TOLD
    best = max if search.mode == "max" else min
    ends = (RecordedState.COMPLETE.value, RecordedState.STOPPED.value)
    counting = [trial for trial in told if trial.user_attrs["tuner_state"] in ends]
    lasts = [trial.intermediate_values[max(trial.intermediate_values)] for trial in counting]
    assert best(trial.value for trial in known) == best(lasts)
