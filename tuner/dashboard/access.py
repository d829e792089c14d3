"""Who may ask the dashboard, what may be asked, and what every answer tells the browser.

    app = Guarded(app, Access(host="127.0.0.1", port=8765, token=None))

Without a token whoever reaches the port reads all results, so it is bound to this machine. But a web page
that a user opens reaches it too, from the user's own browser: by a name of its own that it lets point here
(DNS rebinding), or by requests from its origin. The one is refused by the Host header, the other by Origin.

Something is changed by POST only, and that is taken with `is_control` only. Such a request must say that it
is JSON, which a form of another site cannot, and no script of one without asking first (CORS), which is
refused.
"""

import ipaddress
import json
import re
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
MOST_QUERY_BYTES = 8192
METHODS = ("GET", "HEAD", "POST")
QUESTION = re.compile(r"/api/experiments/[^/]+/(model|answer)")
"""What is posted there asks the model, and changes no experiment: it is taken without `is_control` too."""
KINDS = ("application/json", "application/octet-stream")
"""Of what is posted; no form has them."""


@dataclass(frozen=True)
class Access:
    """Where the dashboard is served, and what it takes to be let in."""

    host: str
    """The address or name that it is bound to."""
    port: int
    token: str | None
    """None: whoever reaches the port is let in."""
    is_control: bool = False
    """Whether something may be changed."""

    @property
    def cookie(self) -> str:
        """Its name; cookies are not kept apart by port."""
        return f"tuner_{self.port}"

    def refusal(
        self, method: str, path: str, query: bytes, headers: Mapping[str, str]
    ) -> tuple[int, str] | None:
        """The status and the sentence with which a request is refused; None where it may go on."""
        if method not in METHODS:
            return 405, f"the dashboard is asked by {', '.join(METHODS)}; found {method}."
        if len(query) > MOST_QUERY_BYTES:
            return (
                414,
                f"a query has at most {MOST_QUERY_BYTES} bytes; found {len(query)}; ask for less.",
            )
        if not self._is_own_name(headers.get("host", "")):
            return 403, (
                "the dashboard answers to an address, localhost, this machine's name and that of --host, but "
                "was asked by another; open it by one of these."
            )
        if not _is_own_origin(path, headers):
            return 403, "the dashboard answers its own pages only, but another site asked."
        if not self.is_let_in(query, headers):
            return 401, "the dashboard needs its token; open it by the URL that `tuner dashboard` printed."
        return self._refusal_of_post(path, headers) if method == "POST" else None

    def _refusal_of_post(self, path: str, headers: Mapping[str, str]) -> tuple[int, str] | None:
        if not self.is_control and not QUESTION.fullmatch(path):
            return (
                403,
                "this dashboard only reads; to give commands, start it with: tuner dashboard --control",
            )
        if headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return 403, "commands are taken from the dashboard's own pages only, but another site sent one."
        kind = headers.get("content-type", "nothing")
        if kind.partition(";")[0].strip().lower() not in KINDS:
            return 415, f"commands are JSON and say so by their Content-Type, application/json; found {kind}."
        return None

    def is_let_in(self, query: bytes, headers: Mapping[str, str]) -> bool:
        """Whether the request has the token, in its URL or as a cookie."""
        given = (_token_in(query), _cookie(headers.get("cookie", ""), self.cookie))
        return self.token is None or any(_is_same(self.token, one) for one in given)

    def new_cookie(self, query: bytes) -> str | None:
        """The cookie that an answer brings where the token came by the URL; the page's requests have it."""
        given = _token_in(query)
        if self.token is None or not _is_same(self.token, given):
            return None
        return f"{self.cookie}={given}; Path=/; HttpOnly; SameSite=Strict"

    def _is_own_name(self, host: str) -> bool:
        name = _name_of(host)
        return _is_address(name) or name in {"localhost", self.host.lower(), *_machine_names()}


class Guarded:
    """An ASGI application that asks `access` first, and puts the security headers on all that is answered."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        assert scope["type"] == "http", scope["type"]
        headers = Headers(scope=scope)
        refused = self._access.refusal(scope["method"], scope["path"], scope["query_string"], headers)
        if scope["method"] == "HEAD":
            scope = {**scope, "method": "GET"}  # The server leaves the body out.
        app = self._app if refused is None else _refusing(*refused)
        cookie = None if refused else self._access.new_cookie(scope["query_string"])

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered = MutableHeaders(scope=message)
                answered.update(HEADERS)
                answered.setdefault("Cache-Control", "no-store")
                if cookie is not None:
                    answered.append("Set-Cookie", cookie)
            await send(message)

        await app(scope, receive, send_on)


def new_token() -> str:
    return secrets.token_urlsafe(24)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what is bound to `host`."""
    if host == "localhost":
        return True
    return _is_address(host) and ipaddress.ip_address(host).is_loopback


def _refusing(status: int, sentence: str) -> Response:
    headers = {"Allow": ", ".join(METHODS)} if status == 405 else None
    return Response(json.dumps({"error": sentence}), status, headers, media_type="application/json")


def _is_same(token: str, given: str) -> bool:
    """Takes the same time whatever is given."""
    return secrets.compare_digest(token.encode(), given.encode(errors="surrogateescape"))


def _token_in(query: bytes) -> str:
    """As it stands there: no character of a token is ever written otherwise in a URL."""
    fields = query.decode("latin-1").split("&")
    return next((field.removeprefix("token=") for field in fields if field.startswith("token=")), "")


def _cookie(header: str, name: str) -> str:
    for part in header.split(";"):
        key, _, value = part.strip().partition("=")
        if key == name:
            return value
    return ""


def _is_own_origin(path: str, headers: Mapping[str, str]) -> bool:
    """A link of another site may lead to the page; not into a frame of that, and to nothing else."""
    origin = headers.get("origin")
    if origin is not None:
        return origin.partition("://")[2] == headers.get("host")
    is_link = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    is_page = path == "/" or path.startswith("/e/")
    return (is_link and is_page) or headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")


def _name_of(host: str) -> str:
    """A Host header without its port; nothing where it is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _machine_names() -> set[str]:
    name = socket.gethostname().lower()
    return {name, name.partition(".")[0]}
