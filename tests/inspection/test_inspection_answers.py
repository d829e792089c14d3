"""What the process answers about every kind of data and task, from folders with a model of ours."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from file_server import FileServer, file_server
from made_experiments import made, made_of_kind, make_running
from PIL import Image

from tuner.data import Store, localised
from tuner.data_report.plain import make_report
from tuner.data_report.stores import find_store, known_store, report_file, spec_to_look_at
from tuner.errors import DataError, ResultsError
from tuner.inspection.answers import Answers
from tuner.records.paths import ExperimentPaths
from tuner.results.result import Result
from tuner.spec import Experiment
from tuner.spec.sections import TrialSpec

KINDS = [
    ("digits", "image_classification"),
    ("csv", "tabular_classification"),
    ("csv", "regression"),
    ("labelled_text", "text_classification"),
    ("text", "language_modelling"),
    ("parallel_table", "translation"),
    ("audio", "audio_classification"),
    ("image_folder", "image_classification"),
]


def ask(paths: ExperimentPaths, what: str, **more: Any) -> Any:
    """What is told; as JSON has it."""
    answer = Answers().to({"what": what, "folder": str(paths.root), **more})
    return json.loads(json.dumps(answer, allow_nan=False))


@pytest.fixture(params=KINDS, ids=lambda kind: "-".join(kind), scope="module")
def of_kind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ExperimentPaths:
    return made_of_kind(tmp_path_factory.mktemp("kind"), *request.param)


def test_every_kind_of_data_is_described_and_kept(of_kind: ExperimentPaths) -> None:
    told = ask(of_kind, "data")
    assert sum(split["rows"] for split in told["splits"]) > 30
    assert told["samples"]
    assert all(sample["png"] is None for sample in told["samples"])
    spec, _ = spec_to_look_at(Experiment.load(of_kind.experiment_yaml), None)
    store = known_store(of_kind, spec)
    assert store is not None
    assert json.loads(report_file(store).read_text()) == told
    assert ask(of_kind, "data") == told
    assert Store.open(store).is_sound


def test_every_kind_of_model_is_described_and_kept(of_kind: ExperimentPaths) -> None:
    told = ask(of_kind, "model")
    assert json.loads(of_kind.predictions.read_text()) == told
    assert (told["trial"], told["kept"], told["split"]) == (0, 0, "val")
    measured = Result(of_kind).best.measure("val")
    if told["classes"] is not None:
        assert told["classes"]["accuracy"] == pytest.approx(measured["accuracy"])
        assert told["classes"]["loss"] == pytest.approx(measured["loss"], rel=1e-4)
        assert sum(cell["count"] for cell in told["classes"]["cells"]) == told["rows"]
        assert all(each["truth"] != each["predicted"] for each in told["classes"]["worst"])
        assert sum(told["classes"]["calibration"]["counts"]) == told["rows"]
    elif told["numbers"] is not None:
        assert told["numbers"]["mae"] == pytest.approx(measured["mae"], rel=1e-4)
        assert told["numbers"]["r2"] == pytest.approx(measured["r2"], rel=1e-4)
        assert len(told["numbers"]["dots"]["row"]) == told["rows"]
    else:
        assert told["texts"]["loss"] == pytest.approx(measured["loss"], rel=1e-4)
        assert told["texts"]["worst"][0]["loss"] >= told["texts"]["loss"]
        assert all(sample["given"] and sample["truth"] for sample in told["texts"]["samples"])


def test_a_row_of_an_example_is_the_row_of_the_store(tmp_path: Path) -> None:
    paths = made_of_kind(tmp_path, "digits", "image_classification", epochs=3)
    told = ask(paths, "model")["classes"]
    assert told["accuracy"] > 0.7
    store = find_store(
        paths, spec_to_look_at(Result(paths).best.experiment, Result(paths).best.params)[0], {}
    )
    targets = store.split("val").targets
    for cell in told["cells"]:
        assert all(targets[each["row"] - 1] == cell["truth"] for each in cell["examples"])
    losses = [-np.log(each["of_truth"]) for each in told["worst"]]
    assert losses == sorted(losses, reverse=True)


def test_the_loss_of_texts_is_the_mean_over_their_tokens(tmp_path: Path) -> None:
    lines = [f"{'a' * (1 + place % 9)}\t{'xy'[place % 2] * (1 + place % 9)}" for place in range(100)]
    (tmp_path / "pairs.tsv").write_text("source\ttarget\n" + "\n".join(lines) + "\n")
    source = {"type": "parallel_table", "path": str(tmp_path / "pairs.tsv")}
    data = {"source": source, "text": {"tokenizer": "byte", "max_length": 16}}
    paths = made(tmp_path / "results", "pairs", "translation", data, epochs=3)
    told, measured = ask(paths, "model")["texts"], Result(paths).best.measure("val")
    assert told["loss"] == pytest.approx(measured["loss"], rel=1e-4)
    assert told["perplexity"] == pytest.approx(measured["perplexity"], rel=1e-3)


def test_while_a_search_runs_the_best_trial_is_that_of_its_decisions(tmp_path: Path) -> None:
    paths = made_of_kind(tmp_path, "csv", "tabular_classification")
    make_running(paths, 0.4, 0.5)
    assert (ask(paths, "model")["trial"], ask(paths, "model")["kept"]) == (1, 1)
    assert ask(paths, "predict", row={"size": 1.5, "colour": "red", "old": True})["trial"] == 1


def test_a_model_is_looked_at_again_only_where_its_weights_are_others(tmp_path: Path) -> None:
    paths = made_of_kind(tmp_path, "csv", "tabular_classification")
    told = ask(paths, "model")
    paths.predictions.write_text(json.dumps(told | {"seconds": -1}))
    assert ask(paths, "model")["seconds"] == -1
    weights = paths.trial(0).best_checkpoint / "weights.pt"
    os.utime(weights, ns=(0, told["weights_written_ns"] + 1))
    again = ask(paths, "model")
    assert again["seconds"] > 0
    assert again["weights_written_ns"] == told["weights_written_ns"] + 1


# --- try it ---


def test_a_text_a_pair_of_a_row_and_files_are_answered(tmp_path: Path) -> None:
    text = made_of_kind(tmp_path / "text", "labelled_text", "text_classification")
    told = ask(text, "predict", texts=["a fine film"])
    assert (told["trial"], told["rows"], len(told["predictions"])) == (0, 1, 1)
    (prediction,) = told["predictions"]
    assert prediction["classes"][0]["label"] == prediction["label"]
    assert sum(each["probability"] for each in prediction["classes"]) == pytest.approx(1)

    row = made_of_kind(tmp_path / "row", "csv", "tabular_classification")
    cells = {"size": 1.5, "colour": "red", "old": True}
    assert ask(row, "predict", row=cells)["predictions"][0]["label"] in "012"

    images = made_of_kind(tmp_path / "images", "image_folder", "image_classification")
    Image.new("RGB", (20, 20), (255, 255, 255)).save(tmp_path / "white.png")
    found = ask(images, "predict", file=str(tmp_path / "white.png"), name="white.png")
    assert found["predictions"][0]["label"] in "012"


def test_what_cannot_be_read_is_said_by_the_name_that_it_came_with(tmp_path: Path) -> None:
    images = made_of_kind(tmp_path, "image_folder", "image_classification")
    (tmp_path / "input.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="an image must be readable, but holiday.png is not"):
        ask(images, "predict", file=str(tmp_path / "input.png"), name="holiday.png")


def test_an_empty_text_is_refused(tmp_path: Path) -> None:
    text = made_of_kind(tmp_path, "labelled_text", "text_classification")
    with pytest.raises(DataError, match="every row must have a text"):
        ask(text, "predict", texts=[" "])


# --- what lies elsewhere ---


def spec_of(paths: ExperimentPaths) -> TrialSpec:
    return spec_to_look_at(Experiment.load(paths.experiment_yaml), None)[0]


@pytest.fixture
def fetched(tmp_path: Path) -> Iterator[tuple[FileServer, ExperimentPaths]]:
    """An experiment on a file of the server, which was fetched."""
    with file_server() as server:
        rows = [f"{row},{row % 7},{row % 2}" for row in range(40)]
        server.files["/rows.csv"] = "\n".join(["a,b,y", *rows, ""]).encode()
        source = {"type": "csv", "path": f"{server.address}/rows.csv", "label": "y"}
        paths = made(tmp_path, "fetched", "tabular_classification", {"source": source})
        versions: dict[str, str] = {}
        localised(spec_of(paths).data, paths.store_root, versions)
        paths.versions_json.write_text(json.dumps(versions))
        server.requests.clear()
        yield server, paths


def test_nothing_is_fetched_to_find_the_data(fetched: tuple[FileServer, ExperimentPaths]) -> None:
    server, paths = fetched
    shutil.rmtree(paths.store_root.with_name(".fetched"))
    for what in ("data", "model"):
        with pytest.raises(
            ResultsError, match=r"must have been fetched, but those of .*prepare it anew with"
        ):
            ask(paths, what)
    assert server.requests == []


def test_nothing_is_fetched_to_tell_what_was_before(fetched: tuple[FileServer, ExperimentPaths]) -> None:
    server, paths = fetched
    store = find_store(paths, spec_of(paths), {})
    assert make_report(paths, spec_of(paths), store)["columns"][0]["before"] is not None
    shutil.rmtree(paths.store_root.with_name(".fetched"))
    assert make_report(paths, spec_of(paths), store)["columns"][0]["before"] is None
    assert server.requests == []


# --- what is gone ---


def test_data_that_is_gone_says_how_it_comes_back(tmp_path: Path) -> None:
    paths = made_of_kind(tmp_path, "csv", "regression")
    shutil.rmtree(paths.store_root)
    with pytest.raises(ResultsError, match="prepare it anew with: tuner data .*experiment.yaml --results "):
        ask(paths, "data")
    with pytest.raises(ResultsError, match="prepare it anew"):
        ask(paths, "model")


def test_the_command_names_what_is_searched_of_the_data(tmp_path: Path) -> None:
    from tuner.data_report.stores import command

    paths = ExperimentPaths(tmp_path / "a b")
    told = command(paths, {"data.clean.missing": "mean", "data.split.seed": 3})
    assert "--set data.clean.missing=mean --set data.split.seed=3" in told
    assert f"'{tmp_path / 'a b' / 'experiment.yaml'}'" in told


def test_a_store_is_found_where_its_source_is_gone(tmp_path: Path) -> None:
    paths = made_of_kind(tmp_path, "csv", "regression")
    told = ask(paths, "data")
    shutil.rmtree(tmp_path / "files")
    report_file(Path(told["store"])).unlink()
    again = ask(paths, "data")
    assert again["columns"][0]["numbers"] == told["columns"][0]["numbers"]
    assert (told["columns"][0]["before"] is None, again["columns"][0]["before"]) == (False, None)


def test_columns_tell_what_they_were_before_cleaning(tmp_path: Path) -> None:
    lines = [f"{place},{'ab'[place % 2]}" for place in range(100)]
    lines[7], lines[8] = "10000,a", ",b"
    (tmp_path / "rows.csv").write_text("size,y\n" + "\n".join(lines) + "\n")
    data = {
        "source": {"type": "csv", "path": str(tmp_path / "rows.csv"), "label": "y"},
        "clean": {"missing": "median", "outliers": {"method": "quantile", "limit": 0.02, "action": "clip"}},
    }
    paths = made(tmp_path / "results", "cleaned", "tabular_classification", data)
    (size,) = ask(paths, "data")["columns"]
    assert size["before"]["numbers"]["quantiles"][-1] == 10000
    assert size["before"]["missing"] == 1
    assert size["numbers"]["quantiles"][-1] == pytest.approx(size["done"]["high"], rel=1e-5)
    assert size["done"]["std"] > 0


def test_a_function_has_neither_data_nor_model_of_ours(tmp_path: Path) -> None:
    recorded = Path(__file__).parents[1] / "fixtures" / "recorded" / "0.1.0" / "function"
    shutil.copytree(recorded, tmp_path / "function")
    with pytest.raises(ResultsError, match="trains by a function of one's own"):
        ask(ExperimentPaths(tmp_path / "function"), "data")
    with pytest.raises(ResultsError, match="trains by a function of its own"):
        ask(ExperimentPaths(tmp_path / "function"), "model")


def test_a_model_that_gives_no_numbers_is_said(tmp_path: Path) -> None:
    import torch

    paths = made_of_kind(tmp_path, "csv", "regression")
    weights = paths.trial(0).best_checkpoint / "weights.pt"
    broken = {
        name: torch.full_like(value, torch.nan)
        for name, value in torch.load(weights, weights_only=True).items()
    }
    torch.save(broken, weights)
    with pytest.raises(ResultsError, match="the model gives others"):
        ask(paths, "model")


def test_a_report_is_made_where_nothing_may_be_written(tmp_path: Path) -> None:
    paths = made_of_kind(tmp_path, "csv", "regression")
    # A folder in the place of each file, for root may write anywhere.
    for file in (paths.predictions, paths.stores):
        file.mkdir()
    assert ask(paths, "model")["numbers"] is not None
    assert ask(paths, "data")["columns"]
