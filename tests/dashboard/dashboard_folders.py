"""Folders for the dashboard's tests: a search as it was recorded, played again as far as one likes."""

import json
import shutil
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from tuner.dashboard.access import Access
from tuner.dashboard.app import create_app
from tuner.dashboard.shelf import Shelf

RECORDED = Path(__file__).parents[1] / "fixtures" / "recorded" / "0.1.0"
PORT = 8765


def copied(root: Path, *names: str) -> Path:
    """The recorded experiments, in a folder of results of their own."""
    for name in names:
        shutil.copytree(RECORDED / name, root / name)
    return root


def client(root: Path, token: str | None = None, *, control: bool = False, **options: Any) -> TestClient:
    """A browser on this machine, which sees the folder as it is."""
    app = create_app(Shelf(root, poll_s=0.0), Access("127.0.0.1", PORT, token, control))
    return TestClient(app, base_url=f"http://localhost:{PORT}", raise_server_exceptions=False, **options)


class Replay:
    """A recorded search that comes about again, line by line, in the folder of a copy."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "decisions.jsonl"
        self._lines = self.file.read_bytes().splitlines(keepends=True)
        self._events = {path: path.read_bytes() for path in folder.glob("trials/*/events*")}
        (folder / "trials.csv").unlink()
        for path in self._events:
            path.write_bytes(b"")
        self.file.write_bytes(b"")

    def go_on(self, num_lines: int) -> list[dict[str, Any]]:
        """The next lines are written; which they were."""
        new, self._lines = self._lines[:num_lines], self._lines[num_lines:]
        with self.file.open("ab") as file:
            file.writelines(new)
        return [json.loads(line) for line in new]

    def write_events(self, trial: int, share: float = 1.0) -> None:
        """The trial's event file comes to hold so much of what was recorded."""
        for path, content in self._events.items():
            if path.parent.name == f"{trial:05d}":
                path.write_bytes(content[: int(len(content) * share)])
