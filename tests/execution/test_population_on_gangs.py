"""Populations on real gangs: a copy has its donor's weights and optimizer's state, to the last bit."""

import json
from pathlib import Path

import psutil
import pytest

import tuner
from tuner.records.event_reader import event_files
from tuner.records.files import read_lines
from tuner.records.states import TrialState

pytestmark = [pytest.mark.ray, pytest.mark.slow]

RATES = [1e-2, 1e-9, 5e-3, 1e-10]
"""The good ones stand beside one that changes no weight; the first one's other neighbour is itself."""
DIGITS = {
    "name": "population",
    "task": "image_classification",
    "data": {"source": {"type": "sklearn", "name": "digits"}},
    "model": {"type": "cnn", "channels": 4, "depth": 1, "dropout": 0.2},
    "train": {
        "epochs": 6,
        "batch_size": 128,
        "optimizer": {"type": "adamw", "lr": {"choice": RATES}, "weight_decay": 0.0},
        "zero": {"stage": 1},
        "schedule": {"type": "cosine", "warmup": 0.1},
    },
    "search": {
        "metric": "val/loss",
        "trials": 4,
        "sampler": "grid",
        "scheduler": {"type": "pbt", "interval": 2, "quantile": 0.5, "resample": 0.0},
    },
    "resources": {"workers": 2, "gpus_per_worker": 0},
}


def run(experiment, results):
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    result = tuner.run(experiment, results=results)
    left = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
    psutil.wait_procs(left, timeout=20)
    assert not [child for child in left if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    assert not result.paths.tune.exists()
    assert {row.state for row in result.rows} == {TrialState.COMPLETE}
    return result


@pytest.fixture(scope="module")
def population(tmp_path_factory):
    return run(tuner.Experiment.from_dict(DIGITS), tmp_path_factory.mktemp("results"))


def exploits(result):
    return [line for line in read_lines(result.paths.decisions) if line["action"] == "EXPLOIT"]


def curve(result, number: int, tag: str = "val/loss") -> list[float]:
    frame = result.curves(tag)
    return frame[frame["trial"] == number].sort_values("step")["value"].tolist()


def test_a_copy_that_does_not_train_has_its_donors_validation(population):
    frozen = [line for line in exploits(population) if line["new"]["train.optimizer.lr"] < 1e-8]
    assert frozen
    for line in frozen:
        at = line["report"]
        donor, copy = curve(population, line["donor"]), curve(population, line["trial"])
        assert copy[at] == donor[at - 1]
        assert copy[at - 1] > 1.1 * donor[at - 1], "before, it was another network"


def test_a_copy_with_its_donors_rate_trains_as_its_donor_does(population):
    same = [line for line in exploits(population) if line["new"]["train.optimizer.lr"] == RATES[0]]
    assert same
    for line in same:
        after = slice(line["report"], line["report"] + 2)
        for tag in ("val/loss", "train/loss", "train/grad_norm", "train/lr"):
            donor, copy = curve(population, line["donor"], tag), curve(population, line["trial"], tag)
            assert copy[after] == donor[after]


def test_rows_files_and_events_of_a_population(population):
    params = {row.number: row.params for row in population.rows}
    for row in population.rows:
        assert row.reports == 6
        assert row.best["val/loss"] == pytest.approx(min(curve(population, row.number)), rel=1e-6)
        paths = population.paths.trial(row.number)
        assert json.loads(paths.params_json.read_text()) == params[row.number]
        assert len(event_files(paths.root)) == 3
        assert [path.name for path in paths.checkpoints.iterdir()] == ["best"]
    for line in exploits(population)[-2:]:
        assert params[line["trial"]] == line["new"]
    assert sorted(path.name for path in population.paths.root.iterdir()) == [
        ".lock",
        "decisions.jsonl",
        "environment.json",
        "experiment.yaml",
        "study.journal",
        "trials",
        "trials.csv",
    ]


def test_pb2_on_two_gangs(tmp_path):
    tree = DIGITS | {
        "name": "bandits",
        "task": "tabular_classification",
        "data": {"source": {"type": "two_class", "samples": 400}},
        "model": {"type": "mlp", "width": 8, "dropout": {"float": [0.0, 0.5]}},
        "train": {"epochs": 6, "optimizer": {"type": "adam", "lr": {"float": [1e-5, 1e-1], "log": True}}},
        "search": {"metric": "val/loss", "trials": 4, "scheduler": {"type": "pb2", "interval": 1}},
        "resources": {"workers": 1, "gpus_per_worker": 0},
    }
    experiment = tuner.Experiment.from_dict(tree)
    result = run(experiment, tmp_path)
    assert len(exploits(result)) == 5
    for line in exploits(result):
        experiment.space.check(line["new"])
    assert len({json.dumps(line["new"]) for line in exploits(result)}) > 1


def adds_up(config, trial):
    """Goes on from what it kept; a high rate is good."""
    kept = Path(trial.folder, "kept.json")
    total = json.loads(kept.read_text()) if trial.num_reports else 0.0
    for _ in range(trial.num_reports, 6):
        total += config["rate"]
        kept.write_text(json.dumps(total))
        yield {"total": total}


def test_a_function_of_ones_own_goes_on_from_what_its_donor_kept(tmp_path):
    experiment = tuner.Experiment(
        train=adds_up,
        checkpoints=True,
        space={"rate": tuner.Float(1.0, 100.0)},
        metric="total",
        mode="max",
        trials=4,
        scheduler={"type": "pbt", "interval": 2},
        max_reports=6,
        gpus_per_worker=0,
    )
    result = run(experiment, tmp_path)
    assert len(exploits(result)) == 2
    for line in exploits(result):
        at = line["report"]
        donor, copy = curve(result, line["donor"], "total"), curve(result, line["trial"], "total")
        assert copy[at] == pytest.approx(donor[at - 1] + line["new"]["rate"], rel=1e-6)
