"""`tuner dashboard`: binds the server, says where it is, opens the browser, serves until Ctrl-C."""

import os
import re
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import uvicorn

from tuner.dashboard.access import Access, is_loopback, new_token
from tuner.dashboard.app import create_app
from tuner.dashboard.inspector import Inspector
from tuner.dashboard.shelf import Shelf
from tuner.errors import UsageError

DEFAULT_PORT = 8765
BACKLOG = 100
GRACE_S = 5
"""For answers that are under way when it ends."""
MIN_TOKEN_LENGTH = 16


def serve(
    root: Path,
    *,
    host: str,
    port: int | None,
    token: str | None,
    control: bool,
    browse: bool,
    say: Callable[[str], None],
) -> None:
    """Serves until it is interrupted.

    Args:
        port: None takes the default one, and any free one where that is taken.
        token: None makes one where other machines can reach the port, and for `control`: others on this
            machine can reach it too.
        control: whether commands are taken.
        say: is told the URL.

    Raises:
        ResultsError: there is no such folder.
        UsageError: the address cannot be bound, or the token is none.
    """
    shelf = Shelf(root)
    if token is None and (control or not is_loopback(host)):
        token = new_token()
    _check_token(token)
    with bound(host, port) as listening:
        access = Access(host, listening.getsockname()[1], token, is_control=control)
        url = url_of(access)
        say(url)
        if browse and _has_screen():
            webbrowser.open(url)

        def is_ending() -> bool:
            return server.should_exit

        inspector = Inspector(is_ending=is_ending)
        app = create_app(shelf, access, is_ending, inspector)
        config = uvicorn.Config(
            app,
            access_log=False,  # It would hold the token.
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
        )
        server = uvicorn.Server(config)
        threading.Thread(target=shelf.read_ahead, daemon=True).start()
        with suppress(KeyboardInterrupt):  # That is how it ends.
            server.run(sockets=[listening])
        inspector.close()


def url_of(access: Access) -> str:
    """What is typed into a browser, on this machine or, where it is bound to all, by its name."""
    name = socket.gethostname() if access.host in ("0.0.0.0", "::") else access.host
    shown = f"[{name}]" if ":" in name else name
    query = f"?token={access.token}" if access.token else ""
    return f"http://{shown}:{access.port}/{query}"


def bound(host: str, port: int | None) -> socket.socket:
    """A socket that listens at `port`; without one at the default, or at any that is free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for number in (DEFAULT_PORT, 0) if port is None else (port,):
        try:
            return socket.create_server((host, number), family=family, backlog=BACKLOG)
        except (OSError, OverflowError) as error:
            found = error
    raise UsageError(
        f"the dashboard needs an address of this machine and a free port, but {host}:{number} cannot be had "
        f"({found}); choose another --host or --port."
    )


def _has_screen() -> bool:
    """Whether a browser has somewhere to show; else one of text might take the terminal."""
    is_x11 = sys.platform.startswith("linux")
    return not is_x11 or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _check_token(token: str | None) -> None:
    if token is not None and not re.fullmatch(rf"[A-Za-z0-9_-]{{{MIN_TOKEN_LENGTH},}}", token):
        raise UsageError(
            f"a token has {MIN_TOKEN_LENGTH} or more letters, digits, _ or -; found another one; choose a "
            f"longer one, or leave --token out: where it is needed, one is made."
        )
