"""The table of accuracies: its commands stand in the headers, its rows are what came out."""

import importlib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tuner.spec import Experiment


@pytest.fixture
def accuracy(benchmarks: Path) -> Any:
    return importlib.import_module("accuracy")


def line(name: str, **figures: float) -> dict[str, Any]:
    rest = {"val": 0.9, "test_rows": 100, "training_s": 10.0, "command_s": 20.0, "cpu_s": 15.0, "load": 1.0}
    return {"name": name, "command": "tuner run", "date": "2026-11-27", **rest, **figures}


def experiment_of(accuracy: Any, case: Any) -> Experiment:
    words = accuracy.command_of(case)
    assert words[2] == f"search_spaces/{case.file}.yaml"
    overrides = [value for option, value in zip(words, words[1:], strict=False) if option == "--set"]
    return Experiment.load(accuracy.ROOT / words[2], overrides)


def test_each_row_has_a_command_in_a_header_that_trains_one_configuration(accuracy: Any) -> None:
    for case in accuracy.CASES:
        words, experiment = accuracy.command_of(case), experiment_of(accuracy, case)
        assert words[words.index("--name") + 1] == case.name
        assert words[words.index("--trials") + 1] == "1"
        assert experiment.space.parameters == ()
        assert experiment.search.metric == f"val/{case.metric}"


def test_each_speaker_is_the_test_once_and_validates_another(accuracy: Any) -> None:
    cases = [case for case in accuracy.CASES if case.name.startswith(accuracy.NEW_SPEAKER)]
    heard = Counter()
    for case in cases:
        path = experiment_of(accuracy, case).resolve({}).data.source.path
        files = (path.train, [path.val], [path.test])
        train, val, test = ([Path(each).name for each in some] for some in files)
        assert test == [f"*_{case.name.removeprefix(accuracy.NEW_SPEAKER + '_')}_*.wav"]
        assert sorted(train + val + test) == sorted(f"*_{name}_*.wav" for name in accuracy.SPEAKERS)
        heard.update(val + test)
    assert set(heard.values()) == {2}


def test_an_aim_is_missed_by_the_figure_or_by_the_time(accuracy: Any) -> None:
    case_of = {case.name: case for case in accuracy.CASES}
    rnn, plays, pairs = (case_of[name] for name in ("sst2_rnn_point", "shakespeare_point", "multi30k_few"))
    assert not accuracy.is_missed(rnn, line(rnn.name, test=0.78))
    assert accuracy.is_missed(rnn, line(rnn.name, test=0.779))
    assert not accuracy.is_missed(plays, line(plays.name, val=1.65, test=1.7))
    assert accuracy.is_missed(plays, line(plays.name, val=1.66, test=1.6))
    assert accuracy.is_missed(plays, line(plays.name, val=1.5, test=1.6, training_s=901.0))
    assert not accuracy.is_missed(pairs, line(pairs.name, val=9.0, test=9.0))


def test_new_speakers_count_by_their_mean(accuracy: Any) -> None:
    new = [case for case in accuracy.CASES if case.name.startswith(accuracy.NEW_SPEAKER)][:2]
    pairs = [(case, line(case.name, test=test)) for case, test in zip(new, (0.5, 0.7), strict=True)]
    other = next(case for case in accuracy.CASES if case.name == "mnist_point")
    first, mean = accuracy.with_mean([(other, line(other.name, test=0.99)), *pairs])
    assert accuracy.cells_of(*first)[2:5] == ["0.900", "0.990 ± 0.010", "100"]
    assert accuracy.cells_of(*mean)[2:8] == ["0.900", "0.600 ± 0.100", "200", "20", "40", "30"]


@pytest.mark.ray
@pytest.mark.slow
def test_a_row_is_what_its_command_reaches(accuracy: Any, tmp_path: Path) -> None:
    (case,) = (case for case in accuracy.CASES if case.name == "diabetes_point")
    found = accuracy.measure(case, accuracy.DATA, tmp_path / "kept")

    assert (tmp_path / "kept" / "results" / "diabetes_point" / "trials.csv").is_file()
    assert 0.3 < found["test"] < 0.7
    assert found["test_rows"] == 88
    assert 0 < found["training_s"] < found["command_s"]
    assert found["cpu_s"] > 1
    reached, _, commands = accuracy.parts_of([found])
    assert reached.rows[0][:5] == [
        case.what,
        "test >= 0.45",
        f"{found['val']:.3f}",
        f"{found['test']:.3f}",
        "88",
    ]
    assert commands.rows == [["`diabetes_point`", f"`{found['command']}`"]]
