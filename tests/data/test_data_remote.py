"""Files that lie elsewhere: fetched once, the same store as of local ones, one sentence for what fails."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from file_server import FileServer, file_server

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


@pytest.fixture
def server() -> Iterator[FileServer]:
    with file_server() as server:
        server.files = {"/rows.csv": rows(20)}
        yield server


def made(data: DataSpec, tmp_path: Path, versions: dict[str, str] | None = None) -> Store:
    return prepare(data, TASK, tmp_path / "results" / ".store", versions)


@pytest.mark.usefixtures("memory")
@pytest.mark.parametrize("protocol", ["memory", "file"])
def test_a_store_is_the_one_of_the_local_files(protocol: str, tmp_path: Path, local: Path) -> None:
    pattern = "memory://bucket/rows/*.csv" if protocol == "memory" else f"file://{local}/*.csv"
    store = made(spec(pattern), tmp_path)
    assert store.path.name == fingerprint(spec(str(local / "*.csv")), TASK)
    assert store.manifest.source["path"] == pattern


def test_files_are_fetched_once_and_again_when_they_change(server: FileServer, tmp_path: Path) -> None:
    data = spec(f"{server.address}/rows.csv")
    first = made(data, tmp_path)
    assert made(data, tmp_path).path == first.path
    assert server.num_fetched("/rows.csv") == 1
    server.files["/rows.csv"] = rows(40)
    assert made(data, tmp_path).path != first.path
    assert server.num_fetched("/rows.csv") == 2


def test_a_server_that_sends_on_to_another_place_each_time(server: FileServer, tmp_path: Path) -> None:
    server.moved["/latest.csv"] = "/rows.csv?signature="
    data = spec(f"{server.address}/latest.csv")
    assert made(data, tmp_path).path == made(data, tmp_path).path
    assert server.num_fetched("/rows.csv") == 1


def test_what_is_known_needs_no_server(server: FileServer, tmp_path: Path) -> None:
    data = spec(f"{server.address}/rows.csv")
    versions: dict[str, str] = {}
    store = made(data, tmp_path, versions)
    assert list(versions) == [f"{server.address}/rows.csv"]
    server.files["/rows.csv"] = rows(40)
    requests = len(server.requests)
    assert made(data, tmp_path, versions).path == store.path
    assert len(server.requests) == requests
    server.stop()
    assert made(data, tmp_path, versions).path == store.path


def test_what_was_fetched_and_removed_is_fetched_again_unless_it_changed(
    server: FileServer, tmp_path: Path
) -> None:
    data = spec(f"{server.address}/rows.csv")
    versions: dict[str, str] = {}
    store = made(data, tmp_path, versions)
    shutil.rmtree(tmp_path / "results" / ".fetched")
    assert made(data, tmp_path, versions).path == store.path
    shutil.rmtree(tmp_path / "results" / ".fetched")
    server.files["/rows.csv"] = rows(40)
    with pytest.raises(DataError, match=r"with the data of its beginning, but .*rows\.csv has changed"):
        made(data, tmp_path, versions)


def test_a_network_that_comes_back_is_waited_for(server: FileServer, tmp_path: Path) -> None:
    server.failures = [503, 503]
    assert made(spec(f"{server.address}/rows.csv"), tmp_path).is_sound


def test_half_fetched_files_are_removed(server: FileServer, tmp_path: Path) -> None:
    folder = tmp_path / "results" / ".fetched"
    (folder / "tmp-killed").mkdir(parents=True)
    made(spec(f"{server.address}/rows.csv"), tmp_path)
    assert [path.name for path in folder.iterdir() if path.name.startswith("tmp-")] == []
    before = sorted(folder.iterdir())
    server.files["/more.csv"], server.lost = rows(60), {"/more.csv"}
    with pytest.raises(DataError, match=r"but at .*more\.csv nothing is there"):
        made(spec([f"{server.address}/rows.csv", f"{server.address}/more.csv"]), tmp_path)
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("status", [401, 403])
def test_what_the_server_refuses(status: int, server: FileServer, tmp_path: Path) -> None:
    server.failures = [status] * 9
    with pytest.raises(DataError, match=r"access to http.*rows\.csv is refused"):
        made(spec(f"{server.address}/rows.csv"), tmp_path)
    assert len(server.failures) >= 7, "it was asked again"


def test_a_key_in_an_address_that_was_sent_on_to_is_not_shown(server: FileServer, tmp_path: Path) -> None:
    server.moved["/rows.csv"], server.broken = "/broken.csv?signature=secret", {"/broken.csv"}
    with pytest.raises(DataError, match=r"within reach, but .*broken\.csv\?\.\.\.") as found:
        made(spec(f"{server.address}/rows.csv"), tmp_path)
    assert "secret" not in str(found.value)


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
def test_a_pattern_where_one_folder_is_read(tmp_path: Path) -> None:
    source = {"type": "image_folder", "path": "memory://bucket/rows/*.csv"}
    with pytest.raises(DataError, match="type image_folder takes one file or folder"):
        made(DataSpec.model_validate({"source": source}), tmp_path)


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
    source = remote.fetched(ImageFolderSource(path="memory://bucket/pictures"), tmp_path, {})
    assert (Path(source.path) / "dog" / "1.png").read_bytes() == b"dog/1.png"


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
