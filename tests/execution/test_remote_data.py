"""A search on data that lie elsewhere goes on and exports without them, whatever is there by now."""

from pathlib import Path

import pytest
from file_server import file_server

import tuner
from tuner.data import prepare
from tuner.records.versions import read_versions
from tuner.results.export import ExportedModel

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def rows(slope: int) -> bytes:
    return "".join(["x,y\n", *(f"{x},{slope * x}\n" for x in range(60))]).encode()


def experiment(address: str, name: str) -> tuner.Experiment:
    return tuner.Experiment.from_dict(
        {
            "name": name,
            "task": "regression",
            "data": {"source": {"type": "csv", "path": address, "label": "y"}},
            "model": {"type": "mlp", "width": 4, "depth": 1},
            "train": {
                "epochs": 2,
                "batch_size": 32,
                "optimizer": {"type": "sgd", "lr": {"float": [1e-3, 1e-1]}},
            },
            "search": {"metric": "val/loss", "trials": 1, "sampler": "random", "scheduler": "none"},
            "resources": {"workers": 1, "gpus_per_worker": 0},
        }
    )


def test_what_was_searched_needs_neither_the_server_nor_its_present_files(tmp_path: Path) -> None:
    with file_server() as server:
        server.files["/rows.csv"] = rows(1)
        address = f"{server.address}/rows.csv"
        result = tuner.run(experiment(address, "remote"), results=tmp_path)
        server.files["/rows.csv"] = rows(100)
        newest: dict[str, str] = {}
        spec = result.best.experiment.resolve(result.best.params)
        other = prepare(spec.data, spec.task, result.paths.store_root, newest)
    assert newest[address] != read_versions(result.paths)[address]
    assert other.manifest.target_mean > 1000

    resumed = tuner.resume(result.paths.root)
    resumed.best.export(tmp_path / "best")

    assert ExportedModel.open(tmp_path / "best").manifest.target_mean == pytest.approx(30, rel=0.3)
    assert "fetched" not in (result.paths.root / "experiment.yaml").read_text()
