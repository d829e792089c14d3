"""Which commands to a search are accepted, and why not; pure.

line = answer(command, state, experiment, has_room=True) # what the COMMAND line of decisions.jsonl holds
"""

from typing import Any

from tuner.errors import UsageError
from tuner.execution.state import ON_A_GANG, SearchState
from tuner.records.commands import Command
from tuner.records.rows import TrialRow
from tuner.records.states import TrialState
from tuner.spec import Experiment
from tuner.spec.domains import show
from tuner.spec.points import varied_point

NAMES = ("stop", "pause", "unpause", "enqueue")


def answer(command: Command, state: SearchState, experiment: Experiment, *, has_room: bool) -> dict[str, Any]:
    """`has_room`: whether the search draws one more trial than is known already."""
    line = {"name": command.name, "key": command.key, "is_done": True}
    try:
        return line | _accept(command, state, experiment, has_room)
    except UsageError as error:
        return line | {"is_done": False, "reason": str(error)}


def _accept(command: Command, state: SearchState, experiment: Experiment, has_room: bool) -> dict[str, Any]:
    if command.name not in NAMES:
        raise UsageError(f"a search can be told to {', '.join(NAMES)}; found {show(command.name)}")
    if command.name == "enqueue":
        base = {} if command.trial is None else _row_of(command, state).params
        return _accept_enqueue(varied_point(experiment.space, base, command.params), has_room)
    row = _row_of(command, state)
    if command.name == "stop":
        return _accept_stop(row, state)
    if command.name == "pause":
        return _accept_pause(row, state, experiment.search.checkpoints)
    return _accept_unpause(row, state)


def _accept_stop(row: TrialRow, state: SearchState) -> dict[str, Any]:
    _check_goes_on(row, "stopped")
    if row.confirms is not None:
        raise UsageError(
            f"a fresh run trains to its end, but trial {row.number} is one, of trial {row.confirms}; "
            "stop the search as a whole"
        )
    return {"reason": "it stops at its next report" if _is_on_a_gang(row, state) else "it is stopped"}


def _accept_pause(row: TrialRow, state: SearchState, are_saved: bool) -> dict[str, Any]:
    _check_goes_on(row, "paused")
    if row.number in state.held:
        raise UsageError(f"a trial is paused until it is told to go on, and trial {row.number} already is")
    if not are_saved:
        raise UsageError(
            "a paused trial goes on from its checkpoint, but trials of this search have none "
            "(search.checkpoints is false)"
        )
    return {"reason": "it pauses at its next report" if _is_on_a_gang(row, state) else "it is paused"}


def _accept_unpause(row: TrialRow, state: SearchState) -> dict[str, Any]:
    if row.number not in state.held:
        raise UsageError(
            f"only a trial that was told to pause can be told to go on; trial {row.number} was not, and is "
            f"{row.state.value}"
        )
    if row.number in state.interrupted:
        return {"reason": "it goes on with the next free gang"}
    is_paused = row.state is TrialState.PAUSED
    return {"reason": "it goes on when the scheduler says so" if is_paused else "it goes on"}


def _accept_enqueue(params: dict[str, Any], has_room: bool) -> dict[str, Any]:
    if not has_room:
        raise UsageError(
            "an enqueued configuration takes the place of a trial to come, but all are drawn; "
            "when the search has ended give it more with: tuner resume DIR --trials N"
        )
    return {"reason": "it is tried next, after what was drawn before", "params": params}


def _check_goes_on(row: TrialRow, done: str) -> None:
    if row.state.is_finished():
        raise UsageError(
            f"a trial can be {done} until it has ended, but trial {row.number} is {row.state.value}: "
            f"{row.reason}"
        )


def _is_on_a_gang(row: TrialRow, state: SearchState) -> bool:
    return row.state in ON_A_GANG and row.number not in state.interrupted


def _row_of(command: Command, state: SearchState) -> TrialRow:
    row = None if command.trial is None else state.rows.get(command.trial)
    if row is None:
        raise UsageError(f"a command must name one of {len(state.rows)} trials; found {command.trial}")
    return row
