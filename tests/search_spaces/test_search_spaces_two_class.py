"""The worked example: its base configuration, its search, and what its header claims."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tuner
from tuner.data import prepare
from tuner.data.sources.two_class import bayes_accuracy, bayes_predictions
from tuner.spec import Experiment
from tuner.spec.sections import TwoClassSource

FILE = Path(__file__).parents[2] / "search_spaces" / "two_class_mlp.yaml"
BASE_ACCURACY, TUNED_ACCURACY = 0.86, 0.92


def base_command() -> list[str]:
    """The command in the header that trains the base configuration."""
    command = re.search(r"^#   (tuner run (?:.*\\\n)*.*)$", FILE.read_text(), flags=re.MULTILINE)
    assert command is not None
    return shlex.split(command[1].replace("\\\n#", ""))


def base_overrides() -> list[str]:
    words = base_command()
    return [value for option, value in zip(words, words[1:], strict=False) if option == "--set"]


def test_the_base_is_a_point_of_the_space() -> None:
    searched, base = Experiment.load(FILE), Experiment.load(FILE, base_overrides())
    pairs = (text.split("=") for text in base_overrides())
    params = {name: value if value.isalpha() else json.loads(value) for name, value in pairs}

    searched.space.check(params)

    assert base.space.parameters == ()
    assert searched.resolve(params) == base.resolve({})
    spec = base.resolve({})
    assert (spec.model.type, spec.model.width, spec.model.depth) == ("mlp", 10, 1)
    assert (spec.train.loss, spec.train.optimizer.type, spec.train.optimizer.lr) == ("bce", "adam", 1e-3)
    assert (spec.train.epochs, spec.model.activation) == (100, "relu")


def test_the_header_tells_the_bayes_rates(tmp_path: Path) -> None:
    spec = Experiment.load(FILE, base_overrides()).resolve({})
    source = spec.data.source
    assert isinstance(source, TwoClassSource)
    assert (source.samples, source.features) == (1000, 10)
    store = prepare(spec.data.model_copy(update={"standardise": False}), spec.task, tmp_path)

    def best_possible(split: str) -> float:
        x, y = store.split(split)
        return float(np.mean(bayes_predictions(source, np.array(x)) == y))

    header = FILE.read_text().split("name:")[0]
    assert f"= {bayes_accuracy(source.separation):.3f} (the Bayes rate)" in header
    assert f"{best_possible('val'):.3f} of the validation" in header
    assert f"{best_possible('test'):.3f} of the test split" in header
    assert [int(np.sum(store.split(split)[1])) for split in ("train", "val", "test")] == [350, 75, 75]


@pytest.mark.slow
def test_the_base_trains(tmp_path: Path) -> None:
    file = tmp_path / "base.yaml"
    file.write_text(Experiment.load(FILE, base_overrides()).to_yaml())
    command = [
        sys.executable,
        "-m",
        "tuner.training",
        "--experiment",
        str(file),
        "--out",
        str(tmp_path / "out"),
    ]

    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

    reports = [json.loads(line) for line in lines if line.startswith("{")]
    assert (len(reports), reports[-1]["state"]) == (100, "COMPLETE")
    assert reports[-1]["val/accuracy"] >= BASE_ACCURACY
    assert reports[-1]["train/loss"] < reports[0]["train/loss"] / 2


@pytest.mark.ray
@pytest.mark.slow
def test_the_search_tunes_it(tmp_path: Path) -> None:
    experiment = Experiment.load(FILE)

    result = tuner.run(experiment, results=tmp_path)

    assert result.best.value >= TUNED_ACCURACY
    assert len(result.rows) == experiment.search.trials
    assert {row.state.value for row in result.rows} == {"COMPLETE", "STOPPED"}
    assert (result.saved_share(experiment.max_reports) or 0.0) > 0.3
    measured = result.best.measure("val")
    assert measured["accuracy"] == pytest.approx(result.best.value), (
        "the kept weights are those of the best report"
    )
    assert result.best.measure("test")["accuracy"] >= 0.9
