"""Files that lie elsewhere: fetched once, the same store as of local ones, one sentence for what fails."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from tuner.data import Store, fingerprint, prepare, remote
from tuner.errors import DataError, ExperimentError
from tuner.execution.jobs import pack
from tuner.spec import Experiment
from tuner.spec.sections import DataSpec

TASK = "tabular_classification"


def rows(first: int) -> bytes:
    lines = [f"{row},{row % 7},{'yes' if row % 2 else 'no'}" for row in range(first, first + 20)]
    return "\n".join(["a,b,y", *lines, ""]).encode()


def spec(path: Any, **fields: Any) -> DataSpec:
    return DataSpec.model_validate({"source": {"type": "csv", "path": path, "label": "y"} | fields})


def experiment(path: Any) -> Experiment:
    return Experiment.from_dict(
        {
            "name": "remote",
            "task": TASK,
            "data": {"source": {"type": "csv", "path": path, "label": "y"}},
            "model": {"type": "mlp"},
            "train": {"epochs": 1},
            "search": {"metric": "val/loss"},
        }
    )


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PAUSES_S", (0.0, 0.0))


@pytest.fixture
def memory() -> Iterator[Any]:
    system = fsspec.filesystem("memory")
    for number in (1, 2):
        system.pipe(f"/bucket/rows/{number}.csv", rows(20 * number))
    yield system
    system.rm("/bucket", recursive=True)


@pytest.fixture
def local(tmp_path: Path) -> Path:
    folder = tmp_path / "local"
    folder.mkdir()
    for number in (1, 2):
        (folder / f"{number}.csv").write_bytes(rows(20 * number))
    return folder


def made(data: DataSpec, tmp_path: Path) -> Store:
    return prepare(data, TASK, tmp_path / "results" / ".store")


@pytest.mark.usefixtures("memory")
@pytest.mark.parametrize("protocol", ["memory", "file"])
def test_a_store_is_the_one_of_the_local_files(protocol: str, tmp_path: Path, local: Path) -> None:
    pattern = "memory://bucket/rows/*.csv" if protocol == "memory" else f"file://{local}/*.csv"
    store = made(spec(pattern), tmp_path)
    assert store.path.name == fingerprint(spec(str(local / "*.csv")), TASK)
    assert store.manifest.source["path"] == pattern


def test_files_are_fetched_once_and_again_when_they_change(
    memory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetches: list[str] = []
    get_file = type(memory).get_file

    def counted(self: Any, name: str, *rest: Any, **options: Any) -> Any:
        fetches.append(name)
        return get_file(self, name, *rest, **options)

    monkeypatch.setattr(type(memory), "get_file", counted)
    first = made(spec("memory://bucket/rows/1.csv"), tmp_path)
    assert made(spec("memory://bucket/rows/1.csv"), tmp_path).path == first.path
    assert fetches == ["/bucket/rows/1.csv"]
    memory.pipe("/bucket/rows/1.csv", rows(100))
    assert made(spec("memory://bucket/rows/1.csv"), tmp_path).path != first.path
    assert len(fetches) == 2


@pytest.mark.usefixtures("memory")
def test_half_written_files_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "results" / ".fetched"
    (folder / "tmp-killed").mkdir(parents=True)
    store = made(spec("memory://bucket/rows/2.csv"), tmp_path)
    assert [path.name for path in folder.iterdir() if path.name.startswith(("tmp-", "."))] == []

    def broken(self: Any, name: str, path: str, **_: Any) -> None:
        Path(path).write_bytes(b"a,b")
        raise ConnectionResetError("reset")

    monkeypatch.setattr(type(fsspec.filesystem("memory")), "get_file", broken)
    before = sorted(folder.iterdir())
    with pytest.raises(DataError, match=r"within reach, but memory://bucket/rows/1.csv is not after 3 tries"):
        made(spec("memory://bucket/rows/1.csv"), tmp_path)
    assert sorted(folder.iterdir()) == before
    assert store.is_sound


def test_a_network_that_comes_back_is_waited_for(
    memory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info, tries = type(memory).info, []

    def away_once(self: Any, path: str, **options: Any) -> Any:
        tries.append(path)
        if len(tries) == 1:
            raise ConnectionError("away")
        return info(self, path, **options)

    monkeypatch.setattr(type(memory), "info", away_once)
    assert made(spec("memory://bucket/rows/1.csv"), tmp_path).is_sound
    assert len(tries) > 1


@pytest.mark.usefixtures("memory")
@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("memory://bucket/none.csv", r"at memory://bucket/none\.csv nothing is there"),
        ("memory://bucket/*.tsv", r"none matches memory://bucket/\*\.tsv"),
        ("http://127.0.0.1:9/rows.csv", r"within reach, but http://127\.0\.0\.1:9/rows\.csv is not after 3"),
    ],
)
def test_what_is_not_there(path: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        made(spec(path), tmp_path)
    assert not (tmp_path / "results").exists()


@pytest.mark.usefixtures("memory")
def test_a_pattern_where_one_file_is_read(tmp_path: Path) -> None:
    data = DataSpec.model_validate({"source": {"type": "npz", "path": "memory://bucket/rows/*.csv"}})
    with pytest.raises(DataError, match="type npz takes one file or folder"):
        made(data, tmp_path)


def test_a_library_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)
    with pytest.raises(DataError, match=r"for s3://bucket/rows\.csv it is missing .*install tuner\[remote\]"):
        made(spec("s3://bucket/rows.csv"), tmp_path)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("s3://me:secret@bucket/rows.csv", "must hold no user or password"),
        ("https://host/rows.csv?X-Amz-Signature=secret", "what follows may be a key"),
        ("ftp://host/rows.csv", "must be a path or an address of s3, .*found 'ftp'"),
        ("zip://rows.csv::s3://bucket/secret.zip", "must hold no second address"),
    ],
)
def test_what_is_no_address_for_us(path: str, message: str) -> None:
    with pytest.raises(ExperimentError, match=message) as found:
        experiment(path)
    assert "secret" not in str(found.value)


def test_addresses_stay_as_they_are_and_are_not_sent(tmp_path: Path, local: Path) -> None:
    path = {"train": ["s3://bucket/a/*.csv", str(local / "1.csv")], "val": "gs://bucket/b.csv"}
    (tmp_path / "job").mkdir()
    pack(experiment(path), tmp_path / "job")
    sent = Experiment.load(tmp_path / "job" / "experiment.yaml").template["data"]["source"]["path"]
    assert sent["train"] == ["s3://bucket/a/*.csv", str(tmp_path / "job" / "data" / "1.csv")]
    assert sent["val"] == "gs://bucket/b.csv"


@pytest.mark.usefixtures("memory")
def test_a_folder_of_images_is_fetched_with_its_folders(tmp_path: Path) -> None:
    from tuner.spec.sections import ImageFolderSource

    system = fsspec.filesystem("memory")
    for name in ("cat/1.png", "dog/1.png"):
        system.pipe(f"/bucket/pictures/{name}", name.encode())
    source = remote.fetched(ImageFolderSource(path="memory://bucket/pictures"), tmp_path)
    assert (Path(source.path) / "dog" / "1.png").read_bytes() == b"dog/1.png"  # type: ignore[union-attr,arg-type]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An S3 server on this machine, with a bucket of two files."""
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    system = fsspec.filesystem("s3", skip_instance_cache=True)
    system.mkdir("bucket")
    for number in (1, 2):
        system.pipe(f"bucket/rows/{number}.csv", rows(20 * number))
    yield system
    server.stop()
    fsspec.filesystem("s3").clear_instance_cache()


def test_a_bucket(bucket: Any, tmp_path: Path, local: Path) -> None:
    store = made(spec("s3://bucket/rows/*.csv"), tmp_path)
    assert store.path.name == fingerprint(spec(str(local / "*.csv")), TASK)
    assert not any(b"very-secret" in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    bucket.pipe("bucket/rows/2.csv", rows(200))
    assert made(spec("s3://bucket/rows/*.csv"), tmp_path).path != store.path
    for path in ("s3://bucket/none.csv", "s3://nobucket/rows.csv"):
        with pytest.raises(DataError, match=f"at {path} nothing is there"):
            made(spec(path), tmp_path)
