"""The addresses of the tab Data and model.

Looking at data and models takes long, and is done while nobody else waits for the experiment (`Look`). What
runs a model is asked by POST, which `Access` takes from our own pages only; it changes the kept report alone.
"""

from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from tuner.dashboard import inspected
from tuner.dashboard.answers import Answering
from tuner.dashboard.control import Body, WrongBody
from tuner.dashboard.inspected import Split
from tuner.dashboard.inspector import Inspector
from tuner.dashboard.responses import as_json
from tuner.dashboard.shelf import Shelf
from tuner.errors import ResultsError

MOST_UPLOAD_BYTES = 20_000_000
KEPT = {"Cache-Control": "private, max-age=600"}

Row = Annotated[int, Query(ge=1, le=10**12)]
Rows = Annotated[str, Query(pattern=r"^\d{1,12}(,\d{1,12})*$", max_length=1000)]
StoreName = Annotated[str, Query(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Query(min_length=1, max_length=200)]


def add_data_and_model(app: FastAPI, shelf: Shelf, inspector: Inspector) -> None:
    _add_data(app, shelf, inspector)
    _add_model(app, shelf, inspector)


def _add_data(app: FastAPI, shelf: Shelf, inspector: Inspector) -> None:
    @app.get("/api/experiments/{name}/data")
    def data(name: str) -> Response:
        with _ours(shelf, name).now() as now:
            look = inspected.data_report(now, inspector)
        return as_json(look())

    @app.get("/api/experiments/{name}/data/rows")
    def rows(name: str, store: StoreName, split: Split, numbers: Rows) -> Response:
        with _ours(shelf, name).now() as now:
            shown = inspected.shown(now, store)
        return as_json(shown.rows(split, [int(number) for number in numbers.split(",")]))

    @app.get("/api/experiments/{name}/data/picture")
    def picture(name: str, store: StoreName, split: Split, row: Row) -> Response:
        with _ours(shelf, name).now() as now:
            shown = inspected.shown(now, store)
        return Response(shown.picture(split, row), media_type="image/png", headers=KEPT)

    @app.get("/api/experiments/{name}/data/sound")
    def sound(name: str, store: StoreName, split: Split, row: Row) -> Response:
        with _ours(shelf, name).now() as now:
            shown = inspected.shown(now, store)
        return Response(shown.sound(split, row), media_type="audio/wav", headers=KEPT)


def _add_model(app: FastAPI, shelf: Shelf, inspector: Inspector) -> None:
    @app.get("/api/experiments/{name}/model")
    def model(name: str) -> Response:
        with _ours(shelf, name).now() as now:
            shelf.inside(now.paths.predictions)
            return as_json(inspected.kept_model(now))

    @app.post("/api/experiments/{name}/model")
    def look_at_model(name: str, body: Body) -> Response:
        ours = _ours(shelf, name)
        with ours.now() as now:
            shelf.inside(now.paths.predictions)
            look = inspected.make_model_report(now, inspector)
        report = look()
        with ours.now() as now:
            return as_json(inspected.model_report(now, report))

    @app.post("/api/experiments/{name}/answer")
    async def answer(name: str, request: Request, file: FileName | None = None) -> Response:
        content = await _content(request)

        def ask() -> Any:
            with _ours(shelf, name).now() as now:
                look = inspected.answer(now, inspector, content, file)
            return look()

        return as_json(await run_in_threadpool(ask))


async def _content(request: Request) -> bytes:
    """What was posted."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > MOST_UPLOAD_BYTES:
            raise WrongBody(
                413, f"a file to try has at most {MOST_UPLOAD_BYTES} bytes; found more; give a smaller one."
            )
    return bytes(content)


def _ours(shelf: Shelf, name: str) -> Answering:
    found = shelf.open(name)
    if not isinstance(found, Answering):
        raise ResultsError(
            f"data and models are shown of experiments of ours, but {name} is a folder of other logs."
        )
    if found.paths.root != shelf.root:  # Else the stores lie beside the root.
        shelf.inside(found.paths.store_root)
    return found
