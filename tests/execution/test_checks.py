"""What is refused with cluster and data at hand, before anything starts."""

import json
from contextlib import nullcontext

import pytest
import yaml
from PIL import Image
from pretrained_models import save_bert, save_convnext, save_gpt2, save_hearing, save_tokenizer, save_vit

from tuner.data import prepare
from tuner.errors import ExperimentError, PrecisionError, ResultsError, UsageError
from tuner.execution.checks import (
    check_fit,
    check_precision,
    check_pretrained,
    check_pretrained_images,
    check_stop,
    check_warm_start,
)
from tuner.execution.placement import GangSize
from tuner.execution.runner import check_is_free
from tuner.records.paths import ExperimentPaths
from tuner.spec import Experiment

IRIS = {
    "name": "iris",
    "task": "tabular_classification",
    "data": {"source": {"type": "sklearn", "name": "iris"}},
    "model": {"type": "mlp"},
    "train": {"epochs": 1, "batch_size": 32},
    "search": {"metric": "val/loss"},
}


def experiment(*overrides):
    return Experiment.from_dict(IRIS, overrides=overrides)


@pytest.mark.parametrize(
    ("override", "found"),
    [
        ("train.batch_size=128", r"train.batch_size must not exceed.*found 128 with 105 rows"),
        ("train.loss=bce", r"bce needs two classes, but the data has 3"),
    ],
)
def test_what_does_not_fit_the_data(tmp_path, override, found):
    spec = experiment(override).resolve({})
    manifest = prepare(spec.data, spec.task, tmp_path).manifest
    with pytest.raises(ExperimentError, match=found):
        check_fit(spec, manifest)


@pytest.mark.parametrize("model", ["cnn", "resnet"])
def test_images_wanted_and_a_table_found(tmp_path, model):
    import numpy as np

    path = tmp_path / "rows.npz"
    np.savez(path, x=np.random.default_rng(0).normal(size=(60, 1, 8, 8)), y=np.arange(60) % 2)
    images = {"task": "image_classification", "model": {"type": model}}
    tree = IRIS | images | {"data": {"source": {"type": "npz", "path": str(path)}}}
    spec = Experiment.from_dict(tree).resolve({})
    check_fit(spec, prepare(spec.data, spec.task, tmp_path / "images").manifest)
    table = prepare(experiment().resolve({}).data, "tabular_classification", tmp_path / "table").manifest
    with pytest.raises(ExperimentError, match=rf"{model} needs images .* rows of shape \(4,\)"):
        check_fit(spec, table)


@pytest.mark.parametrize(("stem", "side"), [("small", 7), ("large", 31)])
def test_images_too_small_for_a_residual_network(tmp_path, stem, side):
    import numpy as np

    path = tmp_path / "rows.npz"
    np.savez(path, x=np.random.default_rng(0).normal(size=(60, 1, side, 40)), y=np.arange(60) % 2)
    model = {"type": "resnet", "stem": stem}
    tree = IRIS | {"task": "image_classification", "model": model}
    spec = Experiment.from_dict(tree | {"data": {"source": {"type": "npz", "path": str(path)}}}).resolve({})
    with pytest.raises(ExperimentError, match=rf"images of at least {side + 1} pixels .* \(1, {side}, 40\)"):
        check_fit(spec, prepare(spec.data, spec.task, tmp_path / "images").manifest)


@pytest.mark.parametrize("augment", [{"hue": 20}, {"saturation": {"float": [0.0, 0.5]}}])
@pytest.mark.parametrize("channels", [1, 3])
def test_colours_of_images_without_any(tmp_path, augment, channels):
    import numpy as np

    path = tmp_path / "rows.npz"
    np.savez(path, x=np.random.default_rng(0).normal(size=(60, channels, 8, 8)), y=np.arange(60) % 2)
    changes = {
        "task": "image_classification",
        "model": {"type": "cnn"},
        "data": {"source": {"type": "npz", "path": str(path)}},
        "train": IRIS["train"] | {"augment": augment},
    }
    specs = list(Experiment.from_dict(IRIS | changes).representatives())
    manifest = prepare(specs[0].data, specs[0].task, tmp_path / "images").manifest
    found = []
    for spec in specs:
        try:
            check_fit(spec, manifest)
        except ExperimentError as error:
            found.append(str(error))
    assert bool(found) == (channels == 1)
    assert all("images of three channels" in line and "(1, 8, 8)" in line for line in found)


def test_a_warm_start_that_is_none(tmp_path):
    check_warm_start(experiment())
    with pytest.raises(ExperimentError, match="search.warm_start must name folders of earlier experiments"):
        check_warm_start(experiment(f"search.warm_start=['{tmp_path}']"))


def test_gpu_hours_without_gpus():
    limited = experiment("search.stop={gpu_hours: 2}")
    check_stop(limited, GangSize(1, 1, 1))
    check_stop(experiment(), GangSize(1, 1, 0))
    with pytest.raises(ExperimentError, match=r"gpu_hours needs trials that hold GPUs, but found 2 and"):
        check_stop(limited, GangSize(2, 1, 0))


def test_fp16_on_a_cpu_that_cannot():
    from deepspeed.accelerator import get_accelerator

    specs = [experiment("train.precision=fp16").resolve({})]
    check_precision(specs, GangSize(1, 1, 1))
    check_precision([experiment().resolve({})], GangSize(1, 1, 0))
    if get_accelerator().is_fp16_supported():
        check_precision(specs, GangSize(1, 1, 0))
    else:
        with pytest.raises(PrecisionError, match="use precision: bf16, fp32 or auto"):
            check_precision(specs, GangSize(1, 1, 0))


def test_a_link_in_the_place_of_the_folder(tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "other")
    (tmp_path / "dangling").symlink_to("nowhere")
    for name in ("link", "dangling"):
        with pytest.raises(ResultsError, match="an experiment needs a folder of its own, but .* is a link"):
            check_is_free(ExperimentPaths(tmp_path / name))


def test_a_folder_with_something_else(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ResultsError, match="but .* already holds something else; choose another with --name"):
        check_is_free(ExperimentPaths(tmp_path))


@pytest.mark.parametrize(
    ("overrides", "found"),
    [
        ([], None),
        (["data.text.max_length=25"], "found 25 and .* has 24; lower it"),
        (["model.name=./gpt2"], None),
        (["model.name={choice: [./bert, ./none]}"], r"but .*/none is none"),
        (["model.tuning={choice: [full, {type: frozen, layers: {int: [1, 4]}}]}"], "found 4 with 3 layers"),
        (["data.text.tokenizer.name=./none"], r"must be the folder of a model, but .*/none is none"),
        (["data.text.tokenizer.name=./larger"], "knows 25 and the tokenizer has 101"),
        (["task=language_modelling", "search.metric=val/loss"], "type bert; choose a decoder"),
    ],
)
def test_pretrained_models(tmp_path, overrides, found):
    path = pretrained_experiment(tmp_path)
    if "task=language_modelling" in overrides:
        overrides = [*overrides, "data.source={type: text, path: book.txt}"]
    specs = list(Experiment.load(path, overrides).representatives())
    if found is None:
        check_pretrained(specs)
    else:
        with pytest.raises(UsageError, match=found):
            check_pretrained(specs)


@pytest.mark.parametrize(
    ("image", "model", "early", "late"),
    [
        ({"size": [8, 9]}, "vit", None, None),
        ({"size": [8, 9], "mode": "grey"}, "vit", None, None),
        ({"size": 8}, "vit", "not take 8 x 8 pixels", "not take 8 x 8 pixels"),
        ({}, "vit", None, "not take 12 x 12 pixels"),
        ({}, "convnext", None, None),
        ({"size": 2}, "convnext", "not take 2 x 2 pixels", "not take 2 x 2 pixels"),
        ({}, "bert", "is of type bert", "is of type bert"),
    ],
)
def test_pretrained_models_for_images(tmp_path, image, model, early, late):
    """Where the files alone tell the size, that is checked when the data is prepared."""
    {"vit": save_vit, "convnext": save_convnext, "bert": save_bert}[model](tmp_path / model)
    for row in range(20):
        (tmp_path / "pictures" / str(row % 2)).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (12, 12)).save(tmp_path / "pictures" / str(row % 2) / f"{row}.png")
    data = {"source": {"type": "image_folder", "path": "pictures"}, "image": image}
    named = {"type": "pretrained", "name": f"./{model}"}
    path = tmp_path / "experiment.yaml"
    path.write_text(yaml.safe_dump(IRIS | {"task": "image_classification", "data": data, "model": named}))
    specs = list(Experiment.load(path).representatives())

    def manifest_of(data):
        return prepare(data, "image_classification", tmp_path / "store").manifest

    with refused(early):
        check_pretrained(specs)
    with refused(late):
        check_pretrained_images(specs, manifest_of)


@pytest.mark.parametrize(
    ("audio", "model", "said"),
    [
        ({"sample_rate": 8000}, "wav2vec2", None),
        ({}, "wav2vec2", "found 16000 and .* hears 8000 samples a second; set it to 8000"),
        ({"sample_rate": {"choice": [8000, 4000]}}, "wav2vec2", "found 4000 and .* hears 8000 samples"),
        ({"sample_rate": 8000}, "bert", "is of type bert"),
    ],
)
def test_pretrained_models_for_recordings(tmp_path, audio, model, said):
    {"wav2vec2": save_hearing, "bert": save_bert}[model](tmp_path / model)
    data = {"source": {"type": "audio", "path": "recordings"}, "audio": {"features": "waves"} | audio}
    named = {"type": "pretrained", "name": f"./{model}"}
    path = tmp_path / "experiment.yaml"
    path.write_text(yaml.safe_dump(IRIS | {"task": "audio_classification", "data": data, "model": named}))
    specs = list(Experiment.load(path).representatives())
    with refused(said):
        check_pretrained(specs)
    check_pretrained_images(specs, None)  # which are none


def refused(said):
    return nullcontext() if said is None else pytest.raises(ExperimentError, match=said)


def pretrained_experiment(folder):
    """With a BERT, a GPT-2, and a tokenizer that has more tokens than they know."""
    save_bert(folder / "bert")
    save_gpt2(folder / "gpt2")
    (folder / "larger").mkdir()
    save_tokenizer(folder / "larger")
    file = folder / "larger" / "tokenizer.json"
    content = json.loads(file.read_text())
    content["model"]["vocab"]["more"] = 100
    file.write_text(json.dumps(content))
    text = {"tokenizer": {"type": "pretrained", "name": "./bert"}, "max_length": 8}
    data = {"source": {"type": "labelled_text", "path": "rows.tsv"}, "text": text}
    model = {"type": "pretrained", "name": "./bert"}
    tree = IRIS | {"task": "text_classification", "data": data, "model": model}
    path = folder / "experiment.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path
