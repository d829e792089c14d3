"""`tuner dashboard`: what it refuses, and the command itself, in a process of its own, over a real socket."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
from dashboard_folders import Replay, copied

from tuner.cli import main
from tuner.dashboard.access import Access
from tuner.dashboard.opening import DEFAULT_PORT, bound, url_of
from tuner.dashboard.shelf import Shelf

PATIENCE_S = 120.0


@contextmanager
def opened(*arguments: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and the URL that it printed."""
    command = [sys.executable, "-m", "tuner.cli", "dashboard", *map(str, arguments), "--no-open"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://\S+", line)
        assert found, line + (process.stderr.read() if process.stderr and not line else "")
        yield process, found[0]
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE_S)


def get(url: str, path: str) -> http.client.HTTPResponse:
    """The path goes out as it is, where a client would tidy it up."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE_S)
    connection.putrequest("GET", path)
    connection.endheaders()
    return connection.getresponse()


def next_trials(live: http.client.HTTPResponse) -> Any:
    """What the next event of changed trials says."""
    while live.readline() != b"event: trials\n":
        pass
    return json.loads(live.readline().removeprefix(b"data: "))


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["dashboard", *map(str, arguments), "--no-open"])
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_the_server_for_real(tmp_path: Path) -> None:
    replay = Replay(copied(tmp_path, "mlp") / "mlp")
    replay.go_on(3)
    with opened(tmp_path, "--port", 0) as (process, url):
        assert urlsplit(url).hostname == "127.0.0.1"
        (line,) = json.loads(get(url, "/api/experiments").read())
        assert (line["name"], line["state"], line["running"]) == ("mlp", "interrupted", 0)
        assert get(url, "/").status == 200
        for path in ("/page/../app.py", "/../../etc/passwd", "/page/./../../cli.py", "/api/experiments/.."):
            assert get(url, path).status == 404
        assert get(url, "/" + "a" * 100_000).status in (400, 404, 431)

        live = get(url, "/api/experiments/mlp/live")
        assert live.headers["content-type"].startswith("text/event-stream")
        assert "Content-Security-Policy" in live.headers
        assert next_trials(live)["data"]["reports"] == [0]
        replay.go_on(1)
        assert next_trials(live)["data"]["reports"] == [1]

        process.send_signal(signal.SIGINT)
        # Somebody still listens, and that keeps nobody waiting.
        assert process.wait(timeout=PATIENCE_S) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_its_end_ends_a_look_and_removes_what_was_uploaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    copied(tmp_path, "mlp")
    uploads = tmp_path / "uploads"
    uploads.mkdir()
    monkeypatch.setenv("TMPDIR", str(uploads))
    slow = 'import sys, time\nif "tuner.inspection" in sys.orig_argv: time.sleep(600)'
    (tmp_path / "sitecustomize.py").write_text(slow)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    with opened(tmp_path, "--port", 0) as (process, url):
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE_S)
        headers = {"Content-Type": "application/octet-stream"}
        connection.request("POST", "/api/experiments/mlp/answer?file=a.csv", b"a,b\n1,2\n", headers)
        while not (looking := psutil.Process(process.pid).children()):
            pass
        assert any(uploads.iterdir())
        process.send_signal(number)
        process.wait(timeout=PATIENCE_S)
        _, left = psutil.wait_procs(looking, timeout=PATIENCE_S)
        assert left == []
        assert list(uploads.iterdir()) == []


def test_other_machines_need_a_token_always(tmp_path: Path) -> None:
    with opened(tmp_path, "--host", "0.0.0.0", "--port", 0) as (_, url):
        parts = urlsplit(url)
        assert (parts.hostname, len(parts.query)) == (socket.gethostname(), len("token=") + 32)
        assert get(f"http://127.0.0.1:{parts.port}", "/api/experiments").status == 401


def test_commands_need_a_token_on_this_machine_too(tmp_path: Path) -> None:
    with opened(tmp_path, "--control", "--port", 0) as (_, url):
        assert len(urlsplit(url).query) == len("token=") + 32
        assert get(url, "/api/experiments").status == 401


@pytest.mark.parametrize(
    ("host", "token", "url"),
    [
        ("127.0.0.1", None, "http://127.0.0.1:80/"),
        ("::1", None, "http://[::1]:80/"),
        ("::", "abc", f"http://{socket.gethostname()}:80/?token=abc"),
        ("node7", "abc", "http://node7:80/?token=abc"),
    ],
)
def test_the_url_is_what_a_browser_takes(host: str, token: str | None, url: str) -> None:
    assert url_of(Access(host, 80, token)) == url


def test_a_folder_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "the dashboard shows a folder of results, but" in refused(capsys, tmp_path / "nothing")


@pytest.mark.parametrize("token", ["short", "", "with spaces and more", "semicolon;0123456789"])
def test_a_token_that_is_none_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], token: str
) -> None:
    assert "a token has 16 or more letters" in refused(capsys, tmp_path, "--token", token)


def test_a_port_that_is_taken_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        said = refused(capsys, tmp_path, "--port", taken.getsockname()[1])
    assert "needs an address of this machine and a free port, but" in said
    assert "in use" in said


@pytest.mark.parametrize(("host", "port"), [("203.0.113.9", 0), ("127.0.0.1", 70_000), ("no.such.host.", 0)])
def test_an_address_that_cannot_be_had_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], host: str, port: int
) -> None:
    assert "cannot be had" in refused(capsys, tmp_path, "--host", host, "--port", port)


def test_where_the_default_port_is_taken_another_one_is_found() -> None:
    # Whether this test or somebody else holds it.
    with ExitStack() as stack:
        with suppress(OSError):
            stack.enter_context(socket.create_server(("127.0.0.1", DEFAULT_PORT)))
        found = stack.enter_context(bound("127.0.0.1", None))
        assert found.getsockname()[1] not in (0, DEFAULT_PORT)


def test_an_experiment_that_is_the_only_one_is_read_before_anybody_asks(tmp_path: Path) -> None:
    shelf = Shelf(copied(tmp_path, "mlp") / "mlp", poll_s=3600.0)
    shelf.read_ahead()
    (tmp_path / "mlp" / "trials.csv").write_text("nonsense")
    with shelf.open("mlp").now(curves=True) as now:
        assert len(now.curves.of_tag("val/loss"))


def test_what_cannot_be_read_ahead_is_told_when_somebody_asks(tmp_path: Path) -> None:
    shelf = Shelf(copied(tmp_path, "mlp") / "mlp")
    (tmp_path / "mlp" / "trials.csv").write_text("nonsense")
    (tmp_path / "mlp" / "decisions.jsonl").unlink()
    shelf.read_ahead()
    assert shelf.open("mlp").line()["state"] == "unreadable"


def test_several_experiments_are_not_read_ahead(tmp_path: Path) -> None:
    shelf = Shelf(copied(tmp_path, "mlp", "function"), poll_s=3600.0)
    shelf.read_ahead()
    (tmp_path / "mlp" / "trials.csv").write_text("nonsense")
    assert shelf.open("mlp").line()["state"] == "unreadable"
