"""What may be changed by the page, where `--control` allows it: commands to a search, and notes about trials.

    POST /api/experiments/NAME/commands          {"name": "stop", "trial": 3}
    POST /api/experiments/NAME/trials/3/note     {"text": "diverges late", "tags": ["odd"]}

A command is handed to the search that runs in the folder, which does it or refuses it
(`tuner/records/commands.py`); `access.py` says who may post. The answer is `{"is_done", "reason"}`, with
`"fields": {parameter: sentence}` where values are wrong; `is_done` is null where the search has not answered
in time.
"""

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any
from uuid import uuid4

from fastapi import Depends, FastAPI, Request
from fastapi.responses import Response

from tuner.dashboard.answers import Answering
from tuner.dashboard.following import Followed
from tuner.dashboard.responses import as_json
from tuner.dashboard.shelf import Shelf
from tuner.errors import ExperimentError, ResultsError, UsageError
from tuner.records.commands import WAIT_S, Answer, Command, ask, ask_to_leave, command_of
from tuner.records.notes import Note, write_note
from tuner.records.paths import ExperimentPaths
from tuner.spec import Space
from tuner.spec.points import complete_point

MOST_BODY_BYTES = 1 << 16


class WrongBody(UsageError):
    """What was posted cannot be taken; answered with the status."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


async def _body(request: Request) -> dict[str, Any]:
    """The JSON object that was posted."""
    content = bytearray()
    async for part in request.stream():
        content += part
        if len(content) > MOST_BODY_BYTES:
            raise WrongBody(
                413, f"what is posted has at most {MOST_BODY_BYTES} bytes; found more; say it shorter."
            )
    try:
        tree = json.loads(content)
    except (ValueError, RecursionError):
        tree = None
    if not isinstance(tree, dict):
        raise WrongBody(
            400, "what is posted is one JSON object; found something else; see docs/dashboard.md."
        )
    return tree


Body = Annotated[dict[str, Any], Depends(_body)]


def add_control(app: FastAPI, shelf: Shelf, wait_s: float = WAIT_S) -> None:
    """The addresses that take something. `wait_s`: how long a search has to answer."""

    @app.post("/api/experiments/{name}/commands")
    def command(name: str, body: Body) -> Response:
        return as_json(_give(_ours(shelf, name), shelf, _command(body), wait_s))

    @app.post("/api/experiments/{name}/trials/{number}/note")
    def note(name: str, number: int, body: Body) -> Response:
        with _ours(shelf, name).now() as now:
            shelf.trial(now, number)
            write_note(shelf.inside(now.paths.notes), number, Note.of(body))
        return as_json({"is_done": True, "reason": "it is noted"})

    @app.exception_handler(WrongBody)
    def wrong_body(request: Request, error: WrongBody) -> Response:
        return as_json({"error": str(error)}, error.status)


def is_controllable(followed: Followed) -> bool:
    """Logs of others take no commands, and no notes: their folder is not ours to write."""
    return isinstance(followed, Answering)


def _ours(shelf: Shelf, name: str) -> Answering:
    found = shelf.open(name)
    if not isinstance(found, Answering):
        raise ResultsError(
            f"commands and notes are for experiments of ours, but {name} is a folder of other logs."
        )
    return found


def _command(body: Mapping[str, Any]) -> Command:
    try:
        return command_of({**body, "key": uuid4().hex})
    except (KeyError, TypeError, ValueError) as error:
        known = ", ".join(field.name for field in fields(Command) if field.name != "key")
        raise WrongBody(
            400, f"a command has {known}; found something else; see docs/dashboard.md."
        ) from error


def _give(search: Answering, shelf: Shelf, command: Command, wait_s: float) -> dict[str, Any]:
    with search.now() as now:
        is_of_space = command.name in ("enqueue", "clone")
        wrong = wrong_values(now.experiment.space, command.params) if is_of_space else {}
        is_done = now.standing == "done"
    if wrong:
        return {"is_done": False, "reason": "; ".join(wrong.values()), "fields": wrong}
    for path in (search.paths.commands, search.paths.leave):
        shelf.inside(path)
    try:
        answer = _answer(search.paths, command, wait_s, is_done)
    except ResultsError as error:
        return {"is_done": False, "reason": str(error)}
    if answer is None:
        reason = "the search has not answered yet; it does so when a trial reports, and its row will show it"
        return {"is_done": None, "reason": reason}
    return {"is_done": answer.is_done, "reason": answer.reason}


def _answer(paths: ExperimentPaths, command: Command, wait_s: float, is_done: bool) -> Answer | None:
    """To stop without a trial is to stop the search, as `tuner stop DIR`."""
    if command.name == "stop" and command.trial is None:
        ask_to_leave(paths, is_done=is_done)
        return Answer(True, f"what trains is saved; go on with: tuner resume {paths.root}")
    return ask(paths, command, wait_s, is_done=is_done)


def wrong_values(space: Space, params: Mapping[str, Any]) -> dict[str, str]:
    """Parameter to what is wrong with its value, looked at by itself."""
    wrong = {}
    for name, value in params.items():
        try:
            complete_point(space, {name: value})
        except ExperimentError as error:
            wrong[name] = str(error)
    return wrong
