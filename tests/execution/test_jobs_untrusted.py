"""What is sent to a cluster: words stay words, texts stay texts."""

import shlex
from pathlib import Path

import pytest

from tuner.errors import DataError
from tuner.execution.jobs import entrypoint, pack
from tuner.spec import Experiment


@pytest.mark.parametrize(
    "results", ["results", "it's here", "$(touch x)", "a; touch x", "--address=x", "a\nb", ""]
)
def test_the_folder_of_results_is_one_word(results: str) -> None:
    assert shlex.split(entrypoint(results))[-1] == f"--results={results}"


def test_a_file_a_split_arrives(tmp_path: Path) -> None:
    files = {name: tmp_path / f"{name}.tsv" for name in ("train", "val")}
    for name, path in files.items():
        path.write_text(f"label\ttext\n{name}\ta text\n")
    experiment = Experiment.from_dict(
        {
            "name": "sent",
            "task": "text_classification",
            "data": {
                "source": {"type": "labelled_text", "path": {name: str(path) for name, path in files.items()}}
            },
            "model": {"type": "transformer"},
            "train": {"epochs": 1},
            "search": {"metric": "val/loss"},
        }
    )
    (tmp_path / "job").mkdir()
    pack(experiment, tmp_path / "job")
    source = Experiment.load(tmp_path / "job" / "experiment.yaml").template["data"]["source"]
    assert {name: Path(path).read_text() for name, path in source["path"].items()} == {
        name: path.read_text() for name, path in files.items()
    }


def test_recordings_stay_here(tmp_path: Path) -> None:
    experiment = Experiment.from_dict(
        {
            "name": "spoken",
            "task": "audio_classification",
            "data": {"source": {"type": "audio", "path": str(tmp_path)}},
            "model": {"type": "cnn"},
            "train": {"epochs": 1},
            "search": {"metric": "val/loss"},
        }
    )
    with pytest.raises(
        DataError, match="a job takes tables and arrays with it, but spoken has recordings; put"
    ):
        pack(experiment, tmp_path / "job")


def test_lists_and_patterns_of_files_arrive_in_their_order(tmp_path: Path) -> None:
    for name in ("a/1", "a/2", "b/1"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / f"{name}.csv").write_text(f"x,y\n{name},1\n")
    path = {"train": [str(tmp_path / "b/1.csv"), str(tmp_path / "a/*.csv")], "val": str(tmp_path / "a/2.csv")}
    experiment = Experiment.from_dict(
        {
            "name": "sent",
            "task": "tabular_classification",
            "data": {"source": {"type": "csv", "path": path, "label": "y"}},
            "model": {"type": "mlp"},
            "train": {"epochs": 1},
            "search": {"metric": "val/loss"},
        }
    )
    (tmp_path / "job").mkdir()
    pack(experiment, tmp_path / "job")
    sent = Experiment.load(tmp_path / "job" / "experiment.yaml").template["data"]["source"]["path"]
    assert [Path(file).read_text() for file in sent["train"]] == [
        f"x,y\n{name},1\n" for name in ("b/1", "a/1", "a/2")
    ]
    assert Path(sent["val"]).read_text() == "x,y\na/2,1\n"


@pytest.mark.parametrize("label", ["off", "yes", "2024-01-01", "1e-4", "0x10", "~", "a: b", "é\n"])
def test_an_experiment_arrives_as_it_was(tmp_path: Path, label: str) -> None:
    data = tmp_path / "it's \"$data.csv"
    data.write_text("a,b\n")
    experiment = Experiment.from_dict(
        {
            "name": "sent",
            "task": "tabular_classification",
            "data": {"source": {"type": "csv", "path": str(data), "label": label}},
            "model": {"type": "mlp"},
            "train": {"epochs": 1},
            "search": {"metric": "val/loss"},
        }
    )
    (tmp_path / "job").mkdir()
    pack(experiment, tmp_path / "job")
    source = Experiment.load(tmp_path / "job" / "experiment.yaml").template["data"]["source"]
    assert source["label"] == label
    assert source["path"] == str(tmp_path / "job" / "data" / data.name)
    assert Path(source["path"]).read_text() == "a,b\n"
