"""The fuzzer finds nothing in its first files, and would tell a crash and a hang."""

import time
from pathlib import Path

import pytest
from experiments import Hang, outcome_of, run, time_limit
from mutations import mutant, shipped_texts

from tuner.spec import Experiment


def test_the_first_files_are_read_or_refused() -> None:
    outcomes, crashes = run(range(200))
    assert crashes == {}
    assert set(outcomes) == {"Experiment", "ExperimentError"}


def test_the_texts_that_are_changed_are_sound(tmp_path: Path) -> None:
    for text in shipped_texts():
        (tmp_path / "e.yaml").write_text(text)
        assert Experiment.load(tmp_path / "e.yaml").space.parameters


def test_a_seed_is_one_file() -> None:
    texts = shipped_texts()
    assert mutant(texts, 3) == mutant(texts, 3) != mutant(texts, 4)


def test_a_crash_is_an_outcome() -> None:
    outcome, trace = outcome_of(3)
    assert outcome == "CRASH TypeError"
    assert trace is not None
    assert "in read_file" in trace


def test_a_hang_is_ended() -> None:
    with pytest.raises(Hang), time_limit(0.05):
        for _ in iter(time.monotonic, None):
            pass
