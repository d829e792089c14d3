"""The digits of MNIST: the commands in the header do what it says."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import yaml

from tuner.spec import Experiment

FILE = Path(__file__).parents[2] / "search_spaces" / "mnist_resnet.yaml"


def command(first: str) -> list[str]:
    """The words of the command in the header that begins so."""
    found = re.search(rf"^#   ({first} (?:.*\\\n)*.*)$", FILE.read_text(), flags=re.MULTILINE)
    assert found is not None
    return shlex.split(found[1].replace("\\\n#", ""))


def test_the_data_are_5000_digits(tmp_path: Path) -> None:
    (tmp_path / "search_spaces" / "data").mkdir(parents=True)
    _, *arguments = command("python")
    subprocess.run([sys.executable, *arguments], cwd=tmp_path, check=True)
    path = Path(Experiment.load(FILE).template["data"]["source"]["path"])
    content = np.load(tmp_path / path.relative_to(FILE.parents[1]))
    assert (content["x"].shape, content["x"].max()) == ((5000, 28, 28), 255)
    assert np.bincount(content["y"]).tolist() == [500] * 10


def test_the_point_lies_in_the_space() -> None:
    words = command("tuner run")
    overrides = [value for option, value in zip(words, words[1:], strict=False) if option == "--set"]
    params = {name: yaml.safe_load(value) for name, value in (text.split("=") for text in overrides)}
    searched, point = Experiment.load(FILE), Experiment.load(FILE, overrides)
    searched.space.check(params)
    assert point.space.parameters == ()
    assert searched.resolve(params) == point.resolve({})
