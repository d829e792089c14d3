"""Every ready experiment: its header, its file, and a short run of it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tuner.spec import Experiment

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("TUNER_DATA", ROOT.parent / "shared" / "data"))
FILES = sorted((ROOT / "search_spaces").glob("*.yaml"))
METRICS_OF_TASK = {
    "image_classification": {"loss", "accuracy", "f1"},
    "tabular_classification": {"loss", "accuracy", "f1"},
    "language_modelling": {"loss", "perplexity"},
    "regression": {"loss", "mae", "r2"},
    "text_classification": {"loss", "accuracy", "f1"},
}
ON_REAL_DATA = {"shakespeare_gpt": "shakespeare", "sst2_rnn": "sst2"}
"""The folder that each needs as `data/<folder>` beside it."""
every_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)


def header(file: Path) -> str:
    """The comment lines in front of the experiment."""
    return re.split(r"^(?!#)", file.read_text(), maxsplit=1, flags=re.MULTILINE)[0]


def test_there_are_some() -> None:
    assert {file.stem for file in FILES} >= {"digits_cnn", "diabetes_mlp", "two_class_mlp"}


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
    return [
        pytest.param(file, id=file.stem, marks=marks if file.stem in ON_REAL_DATA else ()) for file in FILES
    ]


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("file", runnable())
def test_a_short_run_prints_only_json(file: Path, tmp_path: Path) -> None:
    shutil.copy(file, tmp_path)
    if folder := ON_REAL_DATA.get(file.stem):
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / folder).symlink_to(DATA / folder)
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
