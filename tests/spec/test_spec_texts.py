"""Pairs of texts and translations in an experiment: paths, models, and what is wrong with them."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tuner.errors import ExperimentError
from tuner.spec import Experiment

FILES = {"source": "a.en", "target": "a.de"}
TRANSLATION: dict[str, Any] = {
    "name": "small",
    "task": "translation",
    "data": {"source": {"type": "parallel_text", "path": {"train": FILES, "val": FILES}}},
    "model": {"type": "encoder_decoder"},
    "train": {"epochs": 1},
    "search": {"metric": "val/loss"},
}
PAIRS: dict[str, Any] = TRANSLATION | {
    "task": "text_classification",
    "data": {"source": {"type": "labelled_text", "path": "a.tsv", "text": ["one", "two"]}},
    "model": {"type": "transformer"},
}


def load(folder: Path, tree: dict[str, Any], *overrides: str) -> Experiment:
    path = folder / "experiment.yaml"
    path.write_text(yaml.safe_dump(tree))
    return Experiment.load(path, overrides)


def test_all_files_are_relative_to_the_experiment(tmp_path: Path) -> None:
    experiment = load(tmp_path, TRANSLATION)
    source = experiment.resolve({}).data.source
    assert source.path.train.source == str(tmp_path / "a.en")
    assert source.path.val.target == str(tmp_path / "a.de")
    assert Experiment.from_dict(yaml.safe_load(experiment.to_yaml())) == experiment


def test_two_files_without_splits(tmp_path: Path) -> None:
    path = "data.source.path={source: all.en, target: all.de}"
    data = load(tmp_path, TRANSLATION, path, "data.split={train: 0.5, val: 0.5, test: 0}").resolve({}).data
    assert (data.source.path.target, data.split.val) == (str(tmp_path / "all.de"), 0.5)


def test_the_columns_of_a_pair(tmp_path: Path) -> None:
    assert load(tmp_path, PAIRS).resolve({}).data.source.text == ["one", "two"]
    assert load(tmp_path, PAIRS, "data.source.text=one").resolve({}).data.source.text == "one"


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        (
            "data.source.text=[one, two, three]",
            "must be the name of a column, or a list of two; found [",
        ),
        ("data.source.text=[one, one]", "must be the name of a column, or a list of two; found ["),
        ("data.source.text=[]", "must be the name of a column, or a list of two; found []"),
        ("data.source.text=[one, 2]", "must be the name of a column, or a list of two; found ["),
        ("data.source.label=two", "needs one use for each column; found 'two' in text and label"),
        ("data.source={type: labelled_text, path: a, text: label}", "found 'label' in text and label"),
        ("model.type=encoder_decoder", "must fit the task text_classification; found encoder_decoder"),
    ],
)
def test_what_is_wrong_with_pairs(tmp_path: Path, override: str, sentence: str) -> None:
    with pytest.raises(ExperimentError) as caught:
        load(tmp_path, PAIRS, override)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("data.source.path=a.en", "path must be a mapping of source and target to a file each, or"),
        ("data.source.path={source: a.en}", "path must be a mapping of source and target to a file each"),
        ("data.source.path={source: a, target: 3}", "path must be a mapping of source and target"),
        ("data.source.path={train: {source: a, target: b}}", "and test where there is one, to such; found {"),
        ("data.source.path.test=a.en", "and test where there is one, to such; found {"),
        ("data.source.path.dev=null", "and test where there is one, to such; found {"),
        ('data.source.path={source: a, target: "\\0"}', "must be the path of a file or folder"),
        ("data.source.path={source: a, target: a}", "a' as source and target; name both"),
        ("data.source.path.val={source: a, target: a}", "path must be two files; found '/"),
        ("data.split={train: 0.5, val: 0.5, test: 0}", "split is decided by the files of data.source.path"),
        ("data.source={type: parallel_table, path: a, source: x, target: x}", "needs two columns; found 'x'"),
        ("data.source={type: text, path: a}", "with translation; text allows: language_modelling"),
        ("model={type: transformer}", "must fit the task translation; found transformer; allowed: encoder_"),
        ("model.width=30", "needs a width that is a multiple of heads; found width 30"),
        ("model.kind=decoder", "model.kind is not a known key of model (type encoder_decoder)"),
        ("train.loss=bce", "must fit the task translation; found bce; allowed: auto, cross_entropy"),
        ("train.augment.token_dropout=0.1", "task translation; found 0.1; drop it; allowed: none"),
        ("search.metric=val/f1", "is not reported by task translation; found 'val/f1'"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_translations(tmp_path: Path, override: str, sentence: str) -> None:
    with pytest.raises(ExperimentError) as caught:
        load(tmp_path, TRANSLATION, override)
    assert sentence in str(caught.value)
