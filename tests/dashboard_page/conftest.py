"""A real server on made folders, and a real browser: Debian's chromium, headless."""

import importlib
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from looking import Looker

import tuner
from tuner.records.paths import ExperimentPaths

MARKUP = "<img src=x onerror=document.body.dataset.broken=1>"


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of a search that has ended, one that stands in the middle, and one whose choice is markup."""
    root = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
        maker = importlib.import_module("make_results")
        sizes = {"reports": 9, "gangs": 4, "seed": 0, "full": False}
        maker.make(root / "ended", trials=32, done=True, **sizes)
        maker.make(root / "halfway", trials=120, done=False, **sizes)
        _make_hostile(importlib.import_module("_made_search"), root / "hostile")
    return root


def _make_hostile(maker: Any, folder: Path) -> None:
    def train(config: Any, trial: Any) -> Iterator[dict[str, float]]:
        yield {"val/accuracy": 1.0}

    space = {"note": tuner.Choice([MARKUP, "plain"]), "lr": tuner.Float(1e-4, 1e-1, log=True)}
    experiment = tuner.Experiment(
        name="hostile", train=train, space=space, metric="val/accuracy", mode="max", trials=8, max_reports=9
    )
    made = maker.MadeFolder(ExperimentPaths(folder), experiment, begin_s=0.0)
    for line in maker.MadeSearch(experiment, num_gangs=2).lines():
        made.take(line)
    made.close()


@pytest.fixture(scope="session")
def address(results: Path) -> Iterator[str]:
    """Where the dashboard of `results` is."""
    yield from _served(results)


@pytest.fixture(scope="session")
def served() -> Callable[[Path], Iterator[str]]:
    """Serves a folder until it is closed; yields where."""
    return _served


@pytest.fixture
def empty_address(tmp_path: Path) -> Iterator[str]:
    yield from _served(tmp_path)


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """serve(root, token=..., is_control=True) -> where the dashboard of a folder is, until the test ends."""
    with ExitStack() as stack:
        yield lambda root, **access: stack.enter_context(contextmanager(_served)(root, **access))


def _served(root: Path, token: str | None = None, is_control: bool = False) -> Iterator[str]:
    uvicorn = pytest.importorskip("uvicorn")
    from tuner.dashboard.access import Access
    from tuner.dashboard.app import create_app
    from tuner.dashboard.shelf import Shelf

    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        bound.listen()
        port = bound.getsockname()[1]
        config = uvicorn.Config(
            create_app(Shelf(root), Access("127.0.0.1", port, token, is_control)),
            log_level="error",
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{port}"
        server.should_exit = True
        thread.join(timeout=10)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed: make browser")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def look(browser: Any, address: str, serve: Callable[..., str]) -> Iterator[Callable[..., Looker]]:
    """Opens a path; at the end no page may have had a fault. Servers (`serve`) outlive the pages."""
    lookers: list[Looker] = []

    def open_(path: str, at: str = address, **context: Any) -> Looker:
        lookers.append(Looker(browser, at, **context))
        lookers[-1].open(path)
        return lookers[-1]

    yield open_
    for looker in lookers:
        looker.close()
    assert [fault for looker in lookers for fault in looker.faults] == []
