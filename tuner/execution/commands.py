"""Which commands to a search are accepted, and why not; pure.

line = answer(command, Standing(state, experiment, has_room, newest, num_gangs, most_gangs))
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tuner.errors import UsageError
from tuner.execution.state import ON_A_GANG, SearchState
from tuner.records.checkpoints import Checkpoint
from tuner.records.commands import Command
from tuner.records.rows import TrialRow
from tuner.records.states import TrialState
from tuner.spec import Experiment
from tuner.spec.domains import show
from tuner.spec.points import varied_point
from tuner.spec.population_rules import CHANGEABLE

NAMES = ("stop", "pause", "unpause", "enqueue", "clone", "gangs")


@dataclass(frozen=True)
class Standing:
    """What an answer depends on."""

    state: SearchState
    experiment: Experiment
    has_room: bool
    """Whether the search draws one more trial than is known already."""
    newest: Callable[[int], Checkpoint | None]
    """The newest sound checkpoint of a trial."""
    num_gangs: int
    most_gangs: int
    """What fits on the cluster."""


def answer(command: Command, standing: Standing) -> dict[str, Any]:
    """What the COMMAND line of `decisions.jsonl` holds."""
    line = {"name": command.name, "key": command.key, "is_done": True}
    try:
        return line | _accept(command, standing)
    except UsageError as error:
        return line | {"is_done": False, "reason": str(error)}


def _accept(command: Command, standing: Standing) -> dict[str, Any]:
    state, experiment = standing.state, standing.experiment
    if command.name not in NAMES:
        raise UsageError(f"a search takes the commands {', '.join(NAMES)}; found {show(command.name)}")
    if command.name == "enqueue":
        base = {} if command.trial is None else _row_of(command, state).params
        params = varied_point(experiment.space, base, command.params)
        return {
            "reason": "it is tried next, after what was drawn before",
            "params": _placed(params, standing),
        }
    if command.name == "gangs":
        return _accept_gangs(command.params.get("gangs"), standing)
    row = _row_of(command, state)
    if command.name == "clone":
        return _accept_clone(row, command.params, standing)
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
    return {"reason": "it stops at its next new report" if _is_on_a_gang(row, state) else "it is stopped"}


def _accept_pause(row: TrialRow, state: SearchState, are_saved: bool) -> dict[str, Any]:
    _check_goes_on(row, "paused")
    if row.number in state.held:
        raise UsageError(f"a trial is paused until it is told to go on, and trial {row.number} already is")
    if not are_saved:
        raise UsageError(
            "a paused trial goes on from its checkpoint, but trials of this search have none "
            "(search.checkpoints is false)"
        )
    return {"reason": "it pauses at its next new report" if _is_on_a_gang(row, state) else "it is paused"}


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


def _accept_gangs(wanted: Any, standing: Standing) -> dict[str, Any]:
    most = standing.most_gangs
    if not isinstance(wanted, int) or not 1 <= wanted <= most:
        raise UsageError(
            f"a search can have 1 to {most} gangs on the cluster as it was when the run began; found "
            f"{show(wanted)}; on a larger one go on with it by: tuner stop DIR, tuner resume DIR"
        )
    if wanted == standing.num_gangs:
        raise UsageError(f"the search has that many gangs already: {wanted}")
    if not standing.experiment.search.checkpoints:
        raise UsageError(
            "for another number of gangs all trials are saved, but those of this search have no checkpoints "
            "(search.checkpoints is false)"
        )
    gangs = "1 gang" if wanted == 1 else f"{wanted} gangs"
    return {"reason": f"what trains is saved, and goes on with {gangs}", "gangs": wanted}


def _accept_clone(row: TrialRow, changes: Mapping[str, Any], standing: Standing) -> dict[str, Any]:
    params = varied_point(standing.experiment.space, row.params, changes)
    if standing.experiment.confirm is not None:
        raise UsageError(
            "a clone cannot be confirmed, for a fresh run begins from scratch, and this search confirms its "
            f"best; {_from_scratch(row)}"
        )
    if row.state.is_finished():
        raise UsageError(
            f"a trial can be cloned until it has ended, for then its checkpoints go, but trial {row.number} "
            f"is {row.state.value}; {_from_scratch(row)}"
        )
    saved = standing.newest(row.number)
    if saved is None:
        raise UsageError(
            f"a clone begins from a checkpoint, but trial {row.number} has none yet; pausing it writes one: "
            f"tuner pause DIR --trial {row.number}"
        )
    check_fits(row, params, saved, standing.experiment)
    if _is_on_a_gang(row, standing.state) and "train.batch_size" in _changed(
        row, params, standing.experiment
    ):
        raise UsageError(
            f"{_INSIDE}, and trial {row.number}, which trains, may write one before the clone begins; "
            f"{_at_a_report(row)}"
        )
    reason = f"it begins next from the newest checkpoint of trial {row.number}, after what was drawn before"
    return {"reason": reason, "params": _placed(params, standing)}


_INSIDE = "a checkpoint inside an epoch goes on with its own batch size alone"


def check_fits(row: TrialRow, params: Mapping[str, Any], saved: Checkpoint, experiment: Experiment) -> None:
    """Raises UsageError where a clone with `params` cannot go on from the checkpoint `saved` of its donor.

    What a function of one's own makes of its checkpoint it alone knows.
    """
    changed = _changed(row, params, experiment)
    fixed = [path for path in changed if path not in CHANGEABLE]
    if fixed:
        raise UsageError(
            f"the checkpoint of a trial goes on with changes of {', '.join(CHANGEABLE)} alone; found "
            f"{', '.join(fixed)}; {_from_scratch(row)}"
        )
    if "train.batch_size" in changed and saved.position["batch"]:
        raise UsageError(f"{_INSIDE}, and the newest of trial {row.number} is one; {_at_a_report(row)}")


def _changed(row: TrialRow, params: Mapping[str, Any], experiment: Experiment) -> list[str]:
    """The fields of a model of ours that differ from the trial's."""
    if experiment.function is not None:
        return []
    old, new = (dict(_leaves(experiment.resolve(each).model_dump())) for each in (row.params, params))
    return sorted(path for path in old | new if old.get(path) != new.get(path))


def _at_a_report(row: TrialRow) -> str:
    return f"pausing it writes one at a report: tuner pause DIR --trial {row.number}"


def _leaves(tree: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{path}{name}.")
        else:
            yield path + name, value


def _from_scratch(row: TrialRow) -> str:
    return f"from scratch one like it is tried by: tuner enqueue DIR --like {row.number}"


def _placed(params: dict[str, Any], standing: Standing) -> dict[str, Any]:
    """`params`, where a trial to come can have them."""
    if not standing.has_room:
        raise UsageError(
            "an enqueued configuration takes the place of a trial to come, but all are drawn; "
            "when the search has ended give it more with: tuner resume DIR --trials N"
        )
    return params


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
