"""An exported model predicts as the network did."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from audio_recordings import PATTERN, write_tones
from PIL import Image
from results_folder import experiment, row, write, write_weights

from tuner.cli import main
from tuner.data import prepare, preprocess, read_inputs
from tuner.errors import ResultsError
from tuner.results.export import ExportedModel
from tuner.results.result import Result

TABULAR = "tabular_classification"
REGRESSION = {
    "task": "regression",
    "data": {"source": {"type": "sklearn", "name": "diabetes"}},
    "search": {"metric": "val/loss"},
}


@pytest.fixture
def result(tmp_path: Path) -> Result:
    return write(tmp_path / "results" / "e", [row(0, "COMPLETE", 0.8)], experiment())


def test_predictions_are_those_of_the_network(result: Result, tmp_path: Path) -> None:
    network = write_weights(result)
    raw = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)

    model = ExportedModel.open(result.best.export(tmp_path / "out"))

    with torch.no_grad():
        logits = network(torch.from_numpy(preprocess(raw, model.manifest)))
    predictions = model.predict(raw)
    assert [prediction["label"] for prediction in predictions] == [
        model.manifest.class_names[index] for index in logits.argmax(1).tolist()
    ]
    assert [prediction["probability"] for prediction in predictions] == pytest.approx(
        logits.softmax(1).max(1).values.tolist()
    )


def test_an_export_needs_neither_experiment_nor_data(result: Result, tmp_path: Path) -> None:
    write_weights(result)
    raw = np.zeros((2, 4), dtype=np.float32)
    here = result.best.load().predict(raw)
    out = result.best.export(tmp_path / "out")

    result.paths.root.parent.rename(tmp_path / "elsewhere")

    assert ExportedModel.open(out).predict(raw) == here
    assert sorted(path.name for path in out.iterdir()) == ["model.json", "weights.pt"]


def test_images_of_a_folder_are_predicted_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, value in {"bright": 200, "dark": 50}.items():
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for place in range(10):
            image = Image.new("RGB", (9 + place, 8), (value + place, value, value))
            image.save(tmp_path / "pictures" / name / f"{place}.png")
    source = {"type": "image_folder", "path": str(tmp_path / "pictures")}
    of_images = experiment(
        task="image_classification",
        data={"source": source, "image": {"size": 6, "mode": "grey"}},
        model={"type": "mlp", "width": {"int": [4, 16]}, "depth": 1},
    )
    result = write(tmp_path / "results" / "e", [row(0, "COMPLETE", 0.8)], of_images)
    network = write_weights(result)
    out = result.best.export(tmp_path / "out")
    model = ExportedModel.open(out)

    with torch.no_grad():
        rows = preprocess(read_inputs(tmp_path / "pictures", model.manifest), model.manifest)
        classes = network(torch.from_numpy(rows)).argmax(dim=1).tolist()

    def said(*words: object) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["predict", str(out), *map(str, words)])
        assert not ended.value.code
        return capsys.readouterr().out

    predictions = json.loads(said(tmp_path / "pictures", "--json"))
    names = [f"{name}/{place}.png" for name in ("bright", "dark") for place in range(10)]
    assert [each["file"] for each in predictions] == names
    assert [each["label"] for each in predictions] == [("bright", "dark")[index] for index in classes]
    assert said(tmp_path / "pictures" / "dark").startswith("0.png  label=")
    assert said(tmp_path / "pictures" / "dark" / "3.png").startswith("3.png  label=")


def test_a_table_with_text_and_gaps_is_predicted_as_in_training(tmp_path: Path) -> None:
    lines = [f"{row % 5 or ''},{('red', 'blue', '')[row % 3]},{row % 2}" for row in range(60)]
    (tmp_path / "rows.csv").write_text("\n".join(["size,colour,y", *lines]) + "\n")
    data = {
        "source": {"type": "csv", "path": str(tmp_path / "rows.csv"), "label": "y"},
        "clean": {"missing": "median", "outliers": {"method": "quantile", "limit": 0.2}},
    }
    result = write(tmp_path / "results" / "e", [row(0, "COMPLETE", 0.8)], experiment(data=data))
    network = write_weights(result)
    store = prepare(result.best.experiment.resolve(result.best.params).data, TABULAR, result.paths.store_root)

    model = ExportedModel.open(result.best.export(tmp_path / "out"))

    new = tmp_path / "new.jsonl"
    known = '{"size": 2, "colour": "red"}\n{"size": 3, "colour": "blue"}\n'
    new.write_text(known + '{"size": null, "colour": null}\n{"size": 900, "colour": "green"}\n')
    rows = preprocess(read_inputs(new, model.manifest), model.manifest)
    stored = np.concatenate([store.split(name).features for name in ("train", "val", "test")])
    assert {tuple(each) for each in rows[:3]} <= {tuple(each) for each in stored}
    assert rows[3].tolist() == [stored[:, 0].max(), 0, 0]
    with torch.no_grad():
        logits = network(torch.from_numpy(rows))
    predictions = model.predict(read_inputs(new, model.manifest))
    assert [prediction["label"] for prediction in predictions] == [
        str(label) for label in logits.argmax(1).tolist()
    ]


def test_recordings_are_heard_as_in_training(tmp_path: Path) -> None:
    files = write_tones(tmp_path / "tones")
    sections = {
        "task": "audio_classification",
        "data": {
            "source": {"type": "audio", "path": str(tmp_path / "tones"), "pattern": PATTERN},
            "audio": {"mels": 20, "max_seconds": 0.3},
            "split": {"group": "speaker"},
        },
    }
    result = write(tmp_path / "results" / "e", [row(0, "COMPLETE", 0.8)], experiment(**sections))
    network = write_weights(result)
    out = result.best.export(tmp_path / "out")
    store = prepare(
        result.best.experiment.resolve(result.best.params).data, sections["task"], result.paths.store_root
    )
    stored = np.concatenate([store.split(name).features for name in ("train", "val", "test")])
    result.paths.root.parent.rename(tmp_path / "elsewhere")

    model = ExportedModel.open(out)

    predictions = model.predict(read_inputs(tmp_path / "tones", model.manifest))
    with torch.no_grad():
        probabilities = network(torch.from_numpy(stored)).softmax(1).max(1).values
    assert sorted(row["probability"] for row in predictions) == pytest.approx(sorted(probabilities.tolist()))
    assert model.predict(read_inputs(min(files), model.manifest)) == [
        {"label": predictions[0]["label"], "probability": pytest.approx(predictions[0]["probability"])}
    ]


def test_regression_predicts_in_the_labels_unit(tmp_path: Path) -> None:
    rows = [row(0, "COMPLETE", 0.8, metric="val/loss")]
    result = write(tmp_path / "results" / "e", rows, experiment(**REGRESSION))
    network = write_weights(result)

    model = ExportedModel.open(result.best.export(tmp_path / "out"))

    raw = np.ones((3, 10), dtype=np.float32)
    with torch.no_grad():
        outputs = network(torch.from_numpy(preprocess(raw, model.manifest)))[:, 0]
    assert model.manifest.target_std is not None
    expected = outputs * model.manifest.target_std + model.manifest.target_mean
    assert [prediction["value"] for prediction in model.predict(raw)] == pytest.approx(
        expected.tolist(), rel=1e-5
    )


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_an_export_overwrites_nothing(result: Result, tmp_path: Path, kind: str) -> None:
    write_weights(result)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    target = tmp_path / "out" / "mine.txt" if kind == "file" else tmp_path / "out"

    with pytest.raises(ResultsError, match="an export needs a new or empty folder, but .* is not"):
        result.best.export(target)

    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_lost_weights_are_told(result: Result, tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="a trial keeps its best weights, but .* is missing"):
        result.best.export(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_no_export(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="an exported model is a folder with model.json and weights.pt"):
        ExportedModel.open(tmp_path)


def test_an_experiment_is_no_export(result: Result) -> None:
    folder = result.paths.root
    with pytest.raises(ResultsError, match=rf"make one with `tuner best {folder} --export best`"):
        ExportedModel.open(folder)


def test_measure_counts_the_rows_of_a_split(result: Result) -> None:
    network = write_weights(result)
    spec = result.best.experiment.resolve(result.best.params)
    x, y = prepare(spec.data, spec.task, result.paths.store_root).split("val")

    metrics = result.best.measure("val")

    with torch.no_grad():
        right = network(torch.from_numpy(np.array(x))).argmax(1).numpy() == y
    assert metrics["accuracy"] == pytest.approx(right.mean())


def test_a_split_without_rows_measures_nothing(tmp_path: Path) -> None:
    data = {"source": {"type": "two_class", "samples": 200}, "split": {"train": 0.8, "val": 0.2, "test": 0.0}}
    result = write(tmp_path / "results" / "e", [row(0, "COMPLETE", 0.8)], experiment(data=data))
    write_weights(result)

    assert result.best.measure("test") == {}
    assert "accuracy" in result.best.measure("val")
