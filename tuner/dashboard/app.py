"""The dashboard's server: which address gives what. All is read; what may be changed is in `control.py`.

    app = create_app(Shelf(Path("results")), Access("127.0.0.1", 8765, token=None))

`docs/dashboard.md` lists the addresses. Routes are plain functions, which Starlette runs in threads: reading
a folder may take a while.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import anyio
from fastapi import FastAPI, Header, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp

from tuner.dashboard import bundle, trial_logs
from tuner.dashboard.access import Access, Guarded
from tuner.dashboard.control import add_control, is_controllable
from tuner.dashboard.curve_bytes import encode
from tuner.dashboard.data_and_model import add_data_and_model
from tuner.dashboard.following import GZIP_LEVEL, POLL_S, Method
from tuner.dashboard.inspector import Inspector
from tuner.dashboard.live import events
from tuner.dashboard.responses import as_json, as_packed, json_bytes
from tuner.dashboard.shelf import NoSuchName, Shelf
from tuner.dashboard.tables import extremes_of
from tuner.errors import TunerError

PAGE = Path(__file__).parent / "page"

Tag = Annotated[str, Query(max_length=200)]
Tags = Annotated[Sequence[Tag], Query(max_length=20)]
Parameters = Annotated[Sequence[Annotated[str, Query(max_length=500)]], Query(min_length=1, max_length=2)]
Numbers = Annotated[str | None, Query(pattern=r"^\d{1,9}(,\d{1,9})*$")]
"""Of trials, with commas."""
Encodings = Annotated[str, Header(alias="Accept-Encoding")]


def create_app(
    shelf: Shelf,
    access: Access,
    is_ending: Callable[[], bool] = lambda: False,
    inspector: Inspector | None = None,
) -> ASGIApp:
    """The whole server, guarded.

    Args:
        is_ending: whether listeners shall be left, so that the server can end.
        inspector: looks at data and models; None: one of its own.
    """
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=GZIP_LEVEL)
    _add_errors(app)
    _add_page(app)
    _add_experiments(app, shelf, access)
    _add_trial(app, shelf)
    _add_curves(app, shelf)
    _add_live(app, shelf, is_ending)
    add_control(app, shelf)
    add_data_and_model(app, shelf, inspector or Inspector())
    return Guarded(app, access)


def _add_page(app: FastAPI) -> None:
    script = bundle.script("app.js", [PAGE / "js"])

    @app.get("/page/app.js")
    def whole_script() -> Response:
        return Response(script, media_type="text/javascript")

    app.mount("/page", StaticFiles(directory=PAGE), name="page")

    @app.get("/")
    @app.get("/e/{name}")
    def page() -> Response:
        return FileResponse(PAGE / "index.html", headers={"Cache-Control": "no-cache"})


def _add_experiments(app: FastAPI, shelf: Shelf, access: Access) -> None:
    @app.get("/api/experiments")
    def experiments() -> Response:
        return as_json([shelf.open(name).line() for name in shelf.names()])

    @app.get("/api/experiments/{name}")
    def details(name: str) -> Response:
        with shelf.open(name).now() as now:
            return as_json(now.details() | {"control": access.is_control and is_controllable(now)})

    @app.get("/api/experiments/{name}/trials")
    def trials(name: str, encodings: Encodings = "") -> Response:
        with shelf.open(name).now() as now:
            packed = now.kept(
                "trials", lambda: json_bytes(now.trials(now.numbers) | {"version": now.version})
            )
        return as_packed(packed, "application/json", encodings)

    @app.get("/api/experiments/{name}/decisions")
    def decisions(name: str) -> Response:
        with shelf.open(name).now() as now:
            return as_json(now.decisions())

    @app.get("/api/experiments/{name}/timeline")
    def timeline(name: str) -> Response:
        with shelf.open(name).now() as now:
            return as_json(now.timeline())

    @app.get("/api/experiments/{name}/importance")
    def importance(name: str, metric: Tag | None = None, method: Method = "ped_anova") -> Response:
        return as_json(shelf.open(name).importance(metric, method))

    @app.get("/api/experiments/{name}/dependence")
    def dependence(name: str, parameter: Parameters, metric: Tag | None = None) -> Response:
        return as_json(shelf.open(name).dependence(metric, parameter))


def _add_trial(app: FastAPI, shelf: Shelf) -> None:
    """Of one trial."""

    @app.get("/api/experiments/{name}/trials/{number}")
    def trial(name: str, number: int) -> Response:
        with shelf.open(name).now() as now:
            shelf.inside(shelf.trial(now, number).root)
            return as_json(now.trial(number))

    @app.get("/api/experiments/{name}/trials/{number}/log")
    def log(name: str, number: int, offset: Annotated[int | None, Query(ge=0)] = None) -> Response:
        with shelf.open(name).now() as now:
            file = shelf.inside(shelf.trial(now, number).log)
        return as_json(trial_logs.part_of(file, offset))


def _add_curves(app: FastAPI, shelf: Shelf) -> None:
    """As bytes and as text; and the table as text."""

    @app.get("/api/experiments/{name}/curves")
    def curves(
        name: str, tag: Tag | None = None, trials: Numbers = None, encodings: Encodings = ""
    ) -> Response:
        media_type = "application/octet-stream"
        with shelf.open(name).now(curves=True) as now:
            chosen = tag or now.first_tag

            def content() -> bytes:
                return encode(now.curves.of_tag(chosen, _numbers(trials)), chosen, now.version)

            if trials is not None or chosen not in now.curves.tags:
                return Response(content(), media_type=media_type)
            return as_packed(now.kept(f"curves {chosen}", content), media_type, encodings)

    @app.get("/api/experiments/{name}/extremes")
    def extremes(name: str, tag: Tag, encodings: Encodings = "") -> Response:
        with shelf.open(name).now(curves=True) as now:
            if tag not in now.curves.tags:
                return as_json(extremes_of(now.curves, tag))
            packed = now.kept(f"extremes {tag}", lambda: json_bytes(extremes_of(now.curves, tag)))
        return as_packed(packed, "application/json", encodings)

    @app.get("/api/experiments/{name}/curves.csv")
    def curves_csv(name: str, tag: Tag) -> Response:
        with shelf.open(name).now(curves=True) as now:
            points = now.curves.of_tag(tag)
        points.insert(1, "tag", tag)
        return _csv(points.to_csv(index=False).encode(), "curves.csv")

    @app.get("/api/experiments/{name}/trials.csv")
    def trials_csv(name: str) -> Response:
        with shelf.open(name).now() as now:
            return _csv(now.table(), "trials.csv")


def _add_live(app: FastAPI, shelf: Shelf, is_ending: Callable[[], bool]) -> None:
    """What changes."""

    async def tick() -> bool:
        await anyio.sleep(POLL_S)
        return not is_ending()

    @app.get("/api/experiments/{name}/live")
    def live(
        name: str,
        tags: Tags = (),
        since: Annotated[str | None, Query(max_length=100)] = None,
        last_event_id: Annotated[str | None, Header(max_length=100)] = None,
    ) -> Response:
        told = events(shelf.open(name), tags, last_event_id or since, tick)
        return StreamingResponse(told, media_type="text/event-stream")


def _numbers(text: str | None) -> list[int] | None:
    return None if text is None else [int(number) for number in text.split(",")]


def _add_errors(app: FastAPI) -> None:
    """Every error is `{"error": one sentence}`."""

    @app.exception_handler(NoSuchName)
    def no_such_name(request: Request, error: NoSuchName) -> Response:
        return as_json({"error": str(error)}, 404)

    @app.exception_handler(TunerError)
    def unreadable(request: Request, error: TunerError) -> Response:
        return as_json({"error": str(error)}, 422)

    @app.exception_handler(RequestValidationError)
    def wrong_query(request: Request, error: RequestValidationError) -> Response:
        wrong = [f"{each['loc'][-1]}: {each['msg']}" for each in error.errors()]
        return as_json(
            {"error": f"a query must be as docs/dashboard.md says; found {'; '.join(wrong)}."}, 400
        )

    @app.exception_handler(HTTPException)
    def no_such_address(request: Request, error: HTTPException) -> Response:
        return as_json({"error": f"{error.detail}: the dashboard has no such address."}, error.status_code)

    @app.exception_handler(Exception)
    def our_own(request: Request, error: Exception) -> Response:
        return as_json(
            {"error": f"the dashboard failed ({type(error).__name__}); its terminal says where."}, 500
        )


def _csv(content: bytes, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, headers=headers, media_type="text/csv; charset=utf-8")
