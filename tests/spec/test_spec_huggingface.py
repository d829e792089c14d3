"""Data sets of the Hugging Face Hub in an experiment: what they are for, and what is wrong with them."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tuner.errors import ExperimentError
from tuner.spec import Experiment

TABLE = {"type": "huggingface", "name": "some/set", "label": "kind"}
TEXTS = {**TABLE, "text": "review"}
RUNNING = {"type": "huggingface", "name": "some/set", "text": "story"}
METRIC = "val/loss"


def load(folder: Path, task: str, source: dict[str, Any], **data: Any) -> Experiment:
    is_table = task in ("tabular_classification", "regression")
    decoder = {"kind": "decoder"} if task == "language_modelling" else {}
    tree = {
        "name": "films",
        "task": task,
        "data": {"source": source, **data},
        "model": {"type": "mlp"} if is_table else {"type": "transformer", **decoder},
        "train": {"epochs": 1},
        "search": {"metric": METRIC},
    }
    path = folder / "experiment.yaml"
    path.write_text(yaml.safe_dump(tree))
    return Experiment.load(path)


@pytest.mark.parametrize(
    ("task", "source"),
    [
        ("tabular_classification", TABLE),
        ("regression", TABLE),
        ("text_classification", TEXTS),
        ("language_modelling", RUNNING),
    ],
)
def test_the_tasks_of_each_kind(tmp_path: Path, task: str, source: dict[str, Any]) -> None:
    spec = load(tmp_path, task, source).resolve({})
    assert spec.data.source.name == "some/set"
    others = {"tabular_classification", "text_classification", "language_modelling"} - {task}
    for other in others - ({"tabular_classification"} if task == "regression" else set()):
        with pytest.raises(ExperimentError, match="data.source must fit the task; found huggingface"):
            load(tmp_path, other, source)


@pytest.mark.parametrize(("name", "expected"), [("some/set", "some/set"), ("./set", "{folder}/set")])
def test_a_name_that_begins_like_a_path_is_one(tmp_path: Path, name: str, expected: str) -> None:
    spec = load(tmp_path, "regression", {**TABLE, "name": name}).resolve({})
    assert spec.data.source.name == expected.format(folder=tmp_path)


def test_subsets_and_revisions_can_be_searched(tmp_path: Path) -> None:
    source = {**TABLE, "subset": {"choice": ["small", "large"]}}
    assert load(tmp_path, "regression", source).space.parameters[0].name == "data.source.subset"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"label": None}, "needs the name of its label or text column; found neither"),
        ({"text": "review", "drop": ["id"]}, "is a table or has texts; found text with features or drop"),
        ({"drop": ["kind"]}, "needs its label; found 'kind' in drop too"),
        ({"features": ["kind"]}, "needs one use for each column; found 'kind' in features and label"),
        ({"name": "./set", "revision": "main"}, "takes a revision from the Hub only; found it with a folder"),
        ({"splits": {"train": "train"}}, "splits must be the name of a split, or a mapping of train and val"),
        ({"splits": {"train": "a", "val": "b", "dev": "c"}}, "splits must be the name of a split"),
        ({"splits": ["train"]}, "splits must be the name of a split"),
        ({"splits": {"train": "a", "val": 1}}, "splits must be the name of a split"),
    ],
)
def test_what_is_wrong(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ExperimentError, match=message) as found:
        load(tmp_path, "regression", {**TABLE, **fields})
    assert len(str(found.value).splitlines()) == 1


def test_splits_of_the_set_and_of_ours(tmp_path: Path) -> None:
    split = {"train": 0.8, "val": 0.1, "test": 0.1}
    load(tmp_path, "regression", {**TABLE, "splits": "train"}, split=split)
    with pytest.raises(ExperimentError, match=r"data\.split is decided by data\.source\.splits; found both"):
        load(tmp_path, "regression", {**TABLE, "splits": {"train": "train", "val": "dev"}}, split=split)
