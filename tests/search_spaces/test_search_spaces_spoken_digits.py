"""The ready experiment on recordings: the commands in its header, and a short run of it on real ones."""

import json
import os
import re
import shlex
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tuner.spec import Experiment

ROOT = Path(__file__).parents[2]
FILE = ROOT / "search_spaces" / "spoken_digits_cnn.yaml"
ARCHIVE = Path(os.environ.get("TUNER_DATA", ROOT.parent / "shared" / "data")) / "fsdd" / "recordings.tar.gz"
DIGITS = [str(digit) for digit in range(10)]


def commands() -> list[list[str]]:
    """Those in the header, in words."""
    found = re.findall(r"^#   (tuner run (?:.*\\\n)*.*)$", FILE.read_text(), flags=re.MULTILINE)
    return [shlex.split(command.replace("\\\n#", "")) for command in found]


def overrides(words: list[str]) -> list[str]:
    return [value for option, value in zip(words, words[1:], strict=False) if option == "--set"]


def test_the_header_has_three_commands() -> None:
    elsewhere, known, new = (Experiment.load(FILE, overrides(words)) for words in commands())
    assert elsewhere.template["data"]["source"]["path"].endswith("/*.wav")
    assert known.space.parameters == new.space.parameters == ()
    assert known.resolve({}).data.source.path.test.endswith("/data/fsdd/*_[0-4].wav")
    assert new.resolve({}).data.source.path.test.endswith("/data/fsdd/*_george_*.wav")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not ARCHIVE.is_file():
        pytest.skip(f"no {ARCHIVE}; set TUNER_DATA")
    folder = tmp_path_factory.mktemp("fsdd")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder / "recordings"


def tuner(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    ended = subprocess.run(
        [sys.executable, "-m", "tuner.cli", *words], cwd=folder, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
    return ended


@pytest.mark.data
@pytest.mark.ray
@pytest.mark.slow
def test_a_short_run_exports_a_model_that_hears_digits(recordings: Path, tmp_path: Path) -> None:
    """On ten recordings of each digit by each speaker."""
    changes = [
        f"data.source.path={recordings}/*_[0-9].wav",
        *("train.epochs=6", "train.batch_size=32", "train.optimizer.lr=0.003", "search.scheduler=none"),
        *("data.audio.mels=32", "data.audio.hop_ms=16", "model.channels=8"),
    ]
    words = [word for change in changes for word in ("--set", change)]
    ended = tuner(tmp_path, "run", str(FILE), "--trials", "2", *words, "--json")

    best = json.loads(ended.stdout)
    assert best["test"].keys() == {"loss", "accuracy", "f1"}
    assert best["value"] > 0.5
    assert re.search(r"finished=(\d+)/\1:", ended.stderr)

    tuner(tmp_path, "best", "results/spoken_digits_cnn", "--export", "out")
    new = tmp_path / "new"
    new.mkdir()
    for digit in DIGITS:
        (new / f"{digit}.wav").write_bytes((recordings / f"{digit}_jackson_40.wav").read_bytes())
    rows = json.loads(tuner(tmp_path, "predict", "out", "new", "--json").stdout)
    assert [row["file"] for row in rows] == [f"{digit}.wav" for digit in DIGITS]
    assert sum(row["file"].startswith(row["label"]) for row in rows) >= 5
    lines = tuner(tmp_path, "predict", "out", "new").stdout.splitlines()
    assert [line.split()[0] for line in lines] == [f"{digit}.wav" for digit in DIGITS]
    (line,) = tuner(tmp_path, "predict", "out", "new/3.wav").stdout.splitlines()
    assert line.split()[1:] == lines[3].split()[1:]
