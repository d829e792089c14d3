"""What `environment.json` tells, and how little an import of this room loads."""

import json
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import numpy
import pytest

from tuner.records.environment import environment

HEAVY = {"torch", "ray", "optuna", "deepspeed", "pandas", "tensorboardX"}


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_environment_is_complete() -> None:
    found = environment()
    assert found["packages"]["numpy"] == numpy.__version__
    assert {"tuner", "torch", "ray", "optuna", "deepspeed"} <= found["packages"].keys()
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["command"] == sys.argv
    assert found["cpus"] >= 1
    assert found["memory_bytes"] > 2**20
    assert found["host"]
    assert found["platform"]
    assert datetime.fromisoformat(found["started"]).utcoffset() == timedelta(0)
    assert json.loads(json.dumps(found)) == found


def test_package_that_is_not_there_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuner.records.environment.PACKAGES", ("surely-not-installed",))
    assert environment()["packages"] == {"surely-not-installed": None}


def test_commit_of_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    git(tmp_path, "init", "--quiet")
    assert environment()["git_commit"] is None
    git(tmp_path, "commit", "--quiet", "--allow-empty", "--message", "first")
    assert environment()["git_commit"] == git(tmp_path, "rev-parse", "HEAD")


def test_no_commit_outside_a_repository_or_without_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert environment()["git_commit"] is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment()["git_commit"] is None


@pytest.mark.parametrize(
    "module", ["", ".paths", ".states", ".rows", ".files", ".environment", ".event_reader"]
)
def test_import_is_light(module: str) -> None:
    code = f"import sys, tuner.records{module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) & HEAVY == set()


def test_room_gives_its_two_names() -> None:
    import tuner.records
    from tuner.records import ExperimentPaths, read_scalars

    assert [ExperimentPaths.__name__, read_scalars.__name__] == tuner.records.__all__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tuner.records.nothing  # noqa: B018
