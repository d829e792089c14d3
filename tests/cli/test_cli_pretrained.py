"""A pretrained model through the command line: checked, trained, exported, and used without its folder."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from cli_program import Program
from pretrained_models import save_bert

ROWS = "".join(f"{kind}\ta {word} film .\n" for kind, word in [("good", "fine"), ("bad", "dull")] * 60)
TREE = {
    "name": "films",
    "task": "text_classification",
    "data": {
        "source": {"type": "labelled_text", "path": "rows.tsv", "columns": ["label", "text"]},
        "text": {"tokenizer": {"type": "pretrained", "name": "./bert"}, "max_length": 8},
    },
    "model": {"type": "pretrained", "name": "./bert", "tuning": {"type": "lora", "rank": 2}},
    "train": {"epochs": 6, "batch_size": 16, "optimizer": {"type": "adamw", "lr": 0.02}},
    "search": {"metric": "val/accuracy", "trials": 1},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    save_bert(tmp_path / "bert")
    (tmp_path / "rows.tsv").write_text(ROWS)
    (tmp_path / "films.yaml").write_text(yaml.safe_dump(TREE))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tuner(*arguments: str) -> str:
    command = [sys.executable, "-m", "tuner.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.ray
@pytest.mark.slow
def test_from_the_run_to_predictions_of_its_export(folder: Path) -> None:
    best = json.loads(tuner("run", "films.yaml", "--json"))
    assert (best["value"], best["test"]["accuracy"]) == (1.0, 1.0)
    tuner("best", "results/films", "--export", "out")
    (folder / "bert").rename(folder / "elsewhere")
    (folder / "new.txt").write_text("a dull film .\na fine film . .\n")

    found = json.loads(tuner("predict", "out", "new.txt", "--json"))

    files = {path.name for path in (folder / "out").iterdir()}
    assert files == {"config.json", "model.json", "weights.pt"}
    assert [row["label"] for row in found] == ["bad", "good"]


@pytest.mark.parametrize(
    ("lost", "status", "said"),
    [
        (None, 0, ""),
        ("model.safetensors", 2, "weights in safetensors, but some/model has no model.safetensors"),
        ("tokenizer.json", 2, "a pretrained tokenizer needs a tokenizer.json, but some/model has none"),
    ],
)
def test_a_model_of_the_hub_is_taken_from_its_cache(
    folder: Path, lost: str | None, status: int, said: str
) -> None:
    cache = folder / "cache" / "hub" / "models--some--model"
    (cache / "refs").mkdir(parents=True)
    (cache / "refs" / "main").write_text("0" * 40)
    (cache / "snapshots").mkdir()
    (folder / "bert").rename(cache / "snapshots" / ("0" * 40))
    if lost is not None:
        (cache / "snapshots" / ("0" * 40) / lost).unlink()
    names = ["--set", "model.name=some/model", "--set", "data.text.tokenizer.name=some/model"]
    command = [sys.executable, "-m", "tuner.cli", "check", "films.yaml", *names]
    own_cache = {"HF_HOME": str(folder / "cache")}

    ended = subprocess.run(command, capture_output=True, text=True, env=os.environ | own_cache)

    assert ended.returncode == status, ended.stderr
    assert said in ended.stderr


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("model.name=./brt", "model.name must be the folder of a model"),
        ("model.name=some/model", "correct it, or give a folder"),
        ("data.text.max_length=99", "must not exceed the positions of the model"),
        ("model.tuning.targets=[quarry]", "must name linear layers of the model, but found quarry"),
    ],
)
def test_check_finds_what_does_not_fit(folder: Path, program: Program, override: str, sentence: str) -> None:
    assert program("check", "films.yaml").status == 0
    ended = program("check", "films.yaml", "--set", override)
    assert (ended.status, ended.out) == (2, "")
    assert sentence in ended.err
    assert len(ended.err.splitlines()) == 1
