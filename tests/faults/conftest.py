"""Searches that meet faults, and the same ones without."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from folders import check_processes
from searches import Search


@pytest.fixture(scope="session", autouse=True)
def ray_folder(session_patch) -> Iterator[None]:
    """Ray's own files; short, for the names of its sockets."""
    folder = tempfile.mkdtemp(prefix="ray")
    session_patch.setenv("RAY_TMPDIR", folder)
    yield
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def session_patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="session")
def whole_of(ray_folder, tmp_path_factory) -> Callable[[str], Path]:
    """The folder of a search that met no fault; searches of one function share it."""
    found: dict[str, Path] = {}

    def whole(name: str) -> Path:
        name = "steady" if name == "pair" else name
        if name not in found:
            search = Search(name, tmp_path_factory.mktemp(name))
            search.begin()
            assert search.end() == 0, search.account("it failed without a fault")
            shutil.rmtree(search.shared_memory)
            found[name] = search.paths.root
        return found[name]

    return whole


@pytest.fixture
def search_of(tmp_path, ray_folder) -> Iterator[Callable[..., Search]]:
    """Makes the test's search; afterwards nothing of it may live."""
    made: list[Search] = []

    def make(name: str, **options: str) -> Search:
        made.append(Search(name, tmp_path, **options))
        return made[-1]

    yield make
    for search in made:
        try:
            check_processes(search)
        finally:
            for process in search.seen:
                if process.is_running():
                    process.kill()
            shutil.rmtree(search.shared_memory)
