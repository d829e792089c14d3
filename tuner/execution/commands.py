"""Which commands to a search are accepted, and why not; pure.

line = answer(command, state, space, has_room=True)      # what the COMMAND line of decisions.jsonl holds
"""

from typing import Any

from tuner.errors import UsageError
from tuner.execution.state import ON_A_GANG, SearchState
from tuner.records.commands import Command
from tuner.records.rows import TrialRow
from tuner.spec import Space
from tuner.spec.domains import show
from tuner.spec.points import varied_point


def answer(command: Command, state: SearchState, space: Space, *, has_room: bool) -> dict[str, Any]:
    """`has_room`: whether the search draws one more trial than is known already."""
    line = {"name": command.name, "key": command.key, "is_done": True}
    try:
        return line | _accept(command, state, space, has_room)
    except UsageError as error:
        return line | {"is_done": False, "reason": str(error)}


def _accept(command: Command, state: SearchState, space: Space, has_room: bool) -> dict[str, Any]:
    if command.name == "stop":
        return _accept_stop(_row_of(command, state), state)
    if command.name == "enqueue":
        base = {} if command.trial is None else _row_of(command, state).params
        return _accept_enqueue(varied_point(space, base, command.params), has_room)
    raise UsageError(f"a search can be told to stop or enqueue a trial; found {show(command.name)}")


def _accept_stop(row: TrialRow, state: SearchState) -> dict[str, Any]:
    if row.state.is_finished():
        raise UsageError(
            f"a trial can be stopped until it has ended, but trial {row.number} is {row.state.value}: "
            f"{row.reason}"
        )
    if row.confirms is not None:
        raise UsageError(
            f"a fresh run trains to its end, but trial {row.number} is one, of trial {row.confirms}; "
            "stop the search as a whole"
        )
    is_on_a_gang = row.state in ON_A_GANG and row.number not in state.interrupted
    return {"reason": "it stops at its next report" if is_on_a_gang else "it is stopped"}


def _accept_enqueue(params: dict[str, Any], has_room: bool) -> dict[str, Any]:
    if not has_room:
        raise UsageError(
            "an enqueued configuration takes the place of a trial to come, but all are drawn; "
            "when the search has ended give it more with: tuner resume DIR --trials N"
        )
    return {"reason": "it is tried next, after what was drawn before", "params": params}


def _row_of(command: Command, state: SearchState) -> TrialRow:
    row = None if command.trial is None else state.rows.get(command.trial)
    if row is None:
        raise UsageError(f"a command must name one of {len(state.rows)} trials; found {command.trial}")
    return row
