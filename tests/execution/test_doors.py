"""The same experiment through Python, the command line and a submitted job gives the same study."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
import yaml

import tuner
from tuner.records.paths import ExperimentPaths
from tuner.search.storage import open_storage

pytestmark = [pytest.mark.ray, pytest.mark.slow]

EXPERIMENT = {
    "name": "same",
    "task": "tabular_classification",
    "data": {"source": {"type": "csv", "path": "rows.csv", "label": "kind"}},
    "model": {"type": "mlp", "width": {"choice": [8, 16]}, "depth": 1},
    "train": {
        "epochs": 4,
        "batch_size": 32,
        "optimizer": {"type": "adam", "lr": {"float": [1e-4, 1e-1], "log": True}},
        "zero": {"stage": 1},
    },
    "search": {"metric": "val/accuracy", "trials": 6, "sampler": "tpe", "scheduler": "asha", "seed": 3},
    "resources": {"workers": 2, "gpus_per_worker": 0},
}


@pytest.fixture(scope="module")
def spec(tmp_path_factory) -> Path:
    from sklearn.datasets import load_iris

    folder = tmp_path_factory.mktemp("spec")
    iris = load_iris(as_frame=True)
    frame = iris.data.assign(kind=[f"kind {target}" for target in iris.target])
    frame.to_csv(folder / "rows.csv", index=False)
    path = folder / "same.yaml"
    path.write_text(yaml.safe_dump(EXPERIMENT, sort_keys=False))
    return path


@pytest.fixture(scope="module")
def by_python(spec, tmp_path_factory) -> Path:
    results = tmp_path_factory.mktemp("python")
    return tuner.run(tuner.Experiment.load(spec), results=results).paths.root


def study(folder: Path) -> list[tuple]:
    """Number, state, parameters and curve of each trial, as Optuna keeps them."""
    journal = ExperimentPaths(folder).journal
    loaded = optuna.load_study(study_name=None, storage=open_storage(journal))
    return [
        (trial.number, trial.state.name, trial.params, trial.intermediate_values)
        for trial in loaded.get_trials()
    ]


def command(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "tuner.cli", *arguments], capture_output=True, text=True, timeout=280
    )


def test_the_command_line_gives_the_same_study(spec, by_python, tmp_path):
    process = command("run", str(spec), "--results", str(tmp_path))
    assert process.returncode == 0, process.stderr
    assert study(tmp_path / "same") == study(by_python)


def test_a_submitted_job_gives_the_same_study(spec, by_python, tmp_path, head):
    process = command("submit", str(spec), "--address", head, "--results", str(tmp_path), "--wait")
    assert process.returncode == 0, process.stdout + process.stderr
    assert "trial 5" in process.stdout
    assert study(tmp_path / "same") == study(by_python)


def test_a_running_cluster_can_be_joined(spec, by_python, tmp_path, head):
    address = os.environ["TUNER_TEST_GCS"]
    process = command("run", str(spec), "--results", str(tmp_path), "--address", address, "--trials", "1")
    assert process.returncode == 0, process.stderr
    assert study(tmp_path / "same") == study(by_python)[:1]


def test_no_cluster_at_the_address_is_one_sentence(spec, tmp_path):
    process = command("run", str(spec), "--results", str(tmp_path), "--address", f"127.0.0.1:{_port()}")
    assert process.returncode == 2
    assert process.stderr.startswith("tuner: --address must name a running Ray cluster")
    process = command("submit", str(spec), "--address", f"http://127.0.0.1:{_port()}")
    assert process.returncode == 2
    assert "tuner: --address must be the job server of a running Ray cluster" in process.stderr


@pytest.fixture(scope="module")
def head():
    """A real Ray head on loopback with its job server; its ports and folder are its own."""
    gcs, dashboard = _port(), _port()
    # The launch file finds `ray` in the project's .venv; these tests may run in another environment.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    launch = Path(__file__).parents[2] / "cluster" / "head.sh"
    start = [
        *("bash", str(launch), "--block", "--num-cpus", "2"),
        *("--node-ip-address", "127.0.0.1", "--port", str(gcs)),
        *("--dashboard-host", "127.0.0.1", "--dashboard-port", str(dashboard)),
        *("--ray-client-server-port", str(_port()), "--dashboard-agent-listen-port", str(_port())),
    ]
    # Sockets live under the temporary folder, and their names may have 107 characters.
    folder = Path(f"/tmp/ray-{os.getpid()}")
    process = subprocess.Popen(
        [*start, "--temp-dir", str(folder)],
        env=os.environ | {"PATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.environ["TUNER_TEST_GCS"] = f"127.0.0.1:{gcs}"
    try:
        _wait_for(dashboard, process)
        yield f"http://127.0.0.1:{dashboard}"
    finally:
        process.terminate()
        process.wait(timeout=60)
        subprocess.run(["rm", "-rf", str(folder)], check=True)


def _port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for(port: int, process: subprocess.Popen) -> None:
    from ray.job_submission import JobSubmissionClient

    for _ in range(120):
        assert process.poll() is None, "ray start ended"
        try:
            JobSubmissionClient(f"http://127.0.0.1:{port}").list_jobs()
        except (ConnectionError, RuntimeError):
            try:
                process.wait(timeout=0.5)
            except subprocess.TimeoutExpired:
                continue
        else:
            return
    raise AssertionError("the head's job server did not answer within a minute")
