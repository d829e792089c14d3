"""A web server on this machine, for tests of what is fetched: files from a mapping, and a log of requests."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FileServer:
    """Serves `files` by path, each with an ETag, until `stop`."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.requests: list[tuple[str, str]] = []
        """Method and path."""
        self.failures: list[int] = []
        """Status of the next answers; then the files are served."""
        self.moved: dict[str, str] = {}
        """Path to where it is sent on to, with a number behind it that is another one each time."""
        self.lost: set[str] = set()
        """Paths of which HEAD tells, and GET finds nothing."""
        self.broken: set[str] = set()
        """Paths that are always answered with 500."""
        self.headers: dict[str, str] = {}
        """Of each file, beside its ETag."""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def num_fetched(self, path: str) -> int:
        return self.requests.count(("GET", path))

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def file_server() -> Iterator[FileServer]:
    server = FileServer()
    try:
        yield server
    finally:
        server.stop()


def _handler(owner: FileServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer(with_content=False)

        def do_GET(self) -> None:
            self._answer(with_content=True)

        def log_message(self, *arguments: object) -> None:
            pass

        def _answer(self, *, with_content: bool) -> None:
            path, _, query = self.path.partition("?")
            owner.requests.append((self.command, path))
            if owner.failures:
                self._status(owner.failures.pop(0))
            elif path in owner.broken:
                self._status(500)
            elif path in owner.moved and not query:
                self._status(302, {"Location": f"{owner.moved[path]}{len(owner.requests)}"})
            elif path in owner.files and not (with_content and path in owner.lost):
                content = owner.files[path]
                tag = f'"{hashlib.md5(content).hexdigest()}"'
                self._status(200, {"ETag": tag, **owner.headers}, len(content))
                if with_content:
                    self.wfile.write(content)
            else:
                self._status(404)

        def _status(self, status: int, headers: dict[str, str] | None = None, length: int = 0) -> None:
            self.send_response(status)
            for name, value in {**(headers or {}), "Content-Length": str(length)}.items():
                self.send_header(name, value)
            self.end_headers()

    return Handler
