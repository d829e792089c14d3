"""The same seed and the same results give the same suggestions, whatever process asks."""

import shutil
from pathlib import Path

import pytest
from search_cases import CASES, SPACES, drive_all, drive_in_another_process, open_searcher

from tuner.search.searcher import Suggestion

pytestmark = pytest.mark.slow  # thousands of synced journal lines, in three processes

NUM_TRIALS = 18
NUM_BEFORE = 15
"""Trials before another process takes over; every model has started by then (10 trials with a value)."""
Runs = dict[str, list[Suggestion]]


def join(before: Runs, after: Runs) -> Runs:
    return {case: before[case] + after[case] for case in before}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Runs, Path, Path]:
    """The first suggestions of every case, and their journals twice."""
    here = tmp_path_factory.mktemp("here")
    before = drive_all(here, 0, NUM_BEFORE)
    there = shutil.copytree(here, tmp_path_factory.mktemp("there") / "copy")
    return before, here, there


@pytest.fixture(scope="module")
def whole(folders: tuple[Runs, Path, Path]) -> Runs:
    return join(folders[0], drive_all(folders[1], NUM_BEFORE, NUM_TRIALS))


@pytest.fixture(scope="module")
def taken_over(folders: tuple[Runs, Path, Path]) -> Runs:
    return join(folders[0], drive_in_another_process(folders[2], NUM_BEFORE, NUM_TRIALS))


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """All in one process, by one searcher a case."""
    return drive_in_another_process(tmp_path_factory.mktemp("elsewhere"), 0, NUM_TRIALS)


@pytest.mark.parametrize(("sampler", "space"), CASES)
def test_another_process_suggests_the_same(whole: Runs, elsewhere: Runs, sampler: str, space: str) -> None:
    assert elsewhere[f"{sampler}-{space}"] == whole[f"{sampler}-{space}"]


@pytest.mark.parametrize(("sampler", "space"), CASES)
def test_a_process_that_takes_over_suggests_the_same(
    whole: Runs, taken_over: Runs, sampler: str, space: str
) -> None:
    assert taken_over[f"{sampler}-{space}"] == whole[f"{sampler}-{space}"]


@pytest.mark.parametrize(("sampler", "space"), CASES)
def test_suggestions_are_numbered_and_inside_the_space(whole: Runs, sampler: str, space: str) -> None:
    suggestions = whole[f"{sampler}-{space}"]
    assert [suggestion.number for suggestion in suggestions] == list(range(NUM_TRIALS))
    for suggestion in suggestions:
        SPACES[space].check(suggestion.params)


@pytest.mark.parametrize(("sampler", "space"), CASES)
def test_trials_differ(whole: Runs, sampler: str, space: str) -> None:
    assert len({str(suggestion.params) for suggestion in whole[f"{sampler}-{space}"]}) > NUM_TRIALS // 2


@pytest.mark.parametrize("sampler", ["random", "tpe", "cmaes", "qmc"])
def test_another_seed_suggests_otherwise(tmp_path: Path, sampler: str) -> None:
    first = open_searcher(sampler, "square", tmp_path / "first", seed=0).suggest()
    other = open_searcher(sampler, "square", tmp_path / "other", seed=1).suggest()
    assert first is not None
    assert other is not None
    assert first.params != other.params
