"""Pretrained models in an experiment: names, tunings, and what is wrong with them."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from spec_examples import plain

from tuner.errors import ExperimentError
from tuner.spec import Experiment

NAME = "some/model"
TREE: dict[str, Any] = {
    "name": "tuned",
    "task": "text_classification",
    "data": {
        "source": {"type": "labelled_text", "path": "rows.tsv"},
        "text": {"tokenizer": {"type": "pretrained", "name": NAME}},
    },
    "model": {"type": "pretrained", "name": NAME},
    "train": {"epochs": 1},
    "search": {"metric": "val/accuracy"},
}


def load(folder: Path, *overrides: str) -> Experiment:
    path = folder / "experiment.yaml"
    path.write_text(yaml.safe_dump(TREE))
    return Experiment.load(path, overrides)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("some/model", "some/model"),
        ("model", "model"),
        ("./model", "{folder}/model"),
        ("../model", "{parent}/model"),
        ("/model", "/model"),
        ("~/model", str(Path.home() / "model")),
    ],
)
def test_a_name_that_begins_like_a_path_is_one(tmp_path: Path, name: str, expected: str) -> None:
    experiment = load(tmp_path, f"model.name={name}", f"data.text.tokenizer.name={name}")
    spec = experiment.resolve({})
    wanted = expected.format(folder=tmp_path, parent=tmp_path.parent)
    assert spec.model.name == wanted
    assert spec.data.text.tokenizer.name == wanted
    assert load(tmp_path / ".", f"model.name={wanted}").resolve({}).model == spec.model


def test_names_and_tunings_can_be_searched(tmp_path: Path) -> None:
    lora = "{type: lora, rank: {choice: [4, 8]}}"
    full = "{type: full, layer_decay: {float: [0.5, 1.0]}}"
    frozen = "{type: frozen, layers: {int: [1, 6]}}"
    experiment = load(
        tmp_path,
        "model.name={choice: [./one, some/other]}",
        f"model.tuning={{choice: [{full}, {frozen}, {lora}]}}",
    )
    names = [parameter.name for parameter in experiment.space.parameters]
    assert names == [
        "model.name",
        "model.tuning",
        "model.tuning.full.layer_decay",
        "model.tuning.frozen.layers",
        "model.tuning.lora.rank",
    ]
    spec = experiment.resolve(
        {"model.name": f"{tmp_path}/one", "model.tuning": "lora", "model.tuning.lora.rank": 4}
    )
    assert spec.model.tuning.rank == 4
    assert Experiment.from_dict(yaml.safe_load(experiment.to_yaml())) == experiment


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        (
            "data.text.tokenizer=byte",
            "tokenizer must be pretrained for model.type pretrained; found byte; ",
        ),
        ("data.text=null", "tokenizer must be pretrained for model.type pretrained; found bpe"),
        ("data.text.tokenizer=pretrained", "data.text.tokenizer.name is required"),
        ("task=regression", "model.type must fit the task regression; found pretrained"),
        (
            "model.tuning={layer_decay: 0.5}",
            "model.tuning.type is required beside layer_decay; found nothing; add one of full",
        ),
        ("model.tuning=lorra", "must be one of full, frozen, lora; found 'lorra'; did you mean 'lora'"),
        ("model.tuning={type: full, layer_decay: 0}", "model.tuning.layer_decay must be > 0; found 0"),
        ("model.tuning={type: full, layer_decay: 1.5}", "model.tuning.layer_decay must be <= 1; found 1.5"),
        (
            "model.tuning={type: frozen, layers: most}",
            "must be 'all' or a whole number of layers; found '",
        ),
        ("model.tuning={type: frozen, layers: -1}", "must be 'all' or a whole number of layers; found -1"),
        ("model.tuning={type: frozen, layers: 1.5}", "must be 'all' or a whole number of layers; found 1.5"),
        ("model.tuning={type: lora, rank: 0}", "model.tuning.rank must be >= 1; found 0"),
        (
            "model.tuning={type: lora, targets: []}",
            "must be 'all' or a list of names of linear layers; found [",
        ),
        ("model.tuning={type: lora, targets: [1]}", "must be 'all' or a list of names of linear layers"),
        ("model.tuning={type: lora, layers: 1}", "model.tuning.layers is not a known key of model.tuning"),
        ('model.name="\\0"', "model.name must be the path of a file or folder"),
    ],
)
def test_what_is_wrong(tmp_path: Path, override: str, sentence: str) -> None:
    with pytest.raises(ExperimentError) as caught:
        load(tmp_path, override)
    assert sentence in str(caught.value)


def test_a_model_for_other_tasks_is_one_mistake(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError) as caught:
        Experiment.from_dict(plain(model={"type": "pretrained", "name": "./minilm"}))
    assert str(caught.value) == (
        "model.type must fit the task tabular_classification; found pretrained; allowed: mlp"
    )


def test_a_model_for_images_needs_no_tokenizer() -> None:
    source = {"type": "image_folder", "path": "pictures"}
    tree = TREE | {"task": "image_classification", "data": {"source": source}}
    assert Experiment.from_dict(tree).resolve({}).model.name == NAME


HEARD: dict[str, Any] = TREE | {
    "task": "audio_classification",
    "data": {
        "source": {"type": "audio", "path": "recordings"},
        "audio": {"features": "waves", "max_seconds": {"choice": [1.0, 2.0]}},
    },
}


def test_a_model_for_recordings_hears_waves() -> None:
    experiment = Experiment.from_dict(HEARD)
    spec = experiment.resolve({"data.audio.max_seconds": 2.0})
    assert spec.data.audio is not None
    assert spec.data.audio.row_shape == (32_000,)
    assert Experiment.from_dict(yaml.safe_load(experiment.to_yaml())) == experiment
    again = type(spec).model_validate_json(spec.model_dump_json())
    assert again == spec


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        (
            "data.audio=null",
            "data.audio.features must be waves for model.type pretrained; found mel; change one of them",
        ),
        ("data.audio.features=mel", "must be waves for model.type pretrained; found mel; change one of them"),
        ("model={type: cnn}", "data.audio.features must be mel for model.type cnn; found waves; change one"),
        ("model={type: rnn}", "data.audio.features must be mel for model.type rnn; found waves; change one"),
        (
            "data.audio.mels=32",
            "data.audio has mels for spectrograms only; found 32 with features waves; drop",
        ),
        ("data.audio.hop_ms=5", "has hop_ms for spectrograms only; found 5"),
        ("data.audio.window_ms=30", "has window_ms for spectrograms only; found 30"),
        ("data.audio.max_seconds=0.01", "and max_seconds for one window; found 400, 160 and 0.01 s"),
        (
            "train.augment={time_mask: 0.2}",
            "train.augment.time_mask is for spectrograms; found 0.2 with data.audio.features waves; drop it",
        ),
        (
            "train.augment={frequency_mask: 0.1}",
            "train.augment.frequency_mask is for spectrograms; found 0.1",
        ),
    ],
)
def test_what_is_wrong_with_waves(override: str, sentence: str) -> None:
    assert Experiment.from_dict(HEARD, overrides=["train.augment={noise: 0.1, mixup: 0.2}"])
    with pytest.raises(ExperimentError) as caught:
        Experiment.from_dict(HEARD, overrides=[override])
    assert sentence in str(caught.value)


def test_a_pretrained_tokenizer_serves_other_models(tmp_path: Path) -> None:
    experiment = load(tmp_path, "model={type: rnn}")
    assert experiment.resolve({}).model.type == "rnn"
