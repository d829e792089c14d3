"""Where a search stands: what the lines of `decisions.jsonl` make of nothing.

    state = SearchState(search, directions)
    for line in read_decisions(path):
        state.apply(line)
    state.rows, state.is_over, state.spent_s

A live search goes the same way: it writes a line, and applies it. So one that goes on after a crash stands
where the last line left it. Nothing here decides, and nothing knows searcher, scheduler, gang or clock.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuner.execution.decisions import Line, number_of
from tuner.records.rows import TrialRow, best_row
from tuner.records.states import TrialState, advance
from tuner.search.scheduler import Action
from tuner.search.stopping import Waiting
from tuner.spec.sections import SearchSpec
from tuner.tasks import RULES
from tuner.training.report import Objective

REPORTED = {action.value for action in Action}
"""The actions of lines that hold a report."""
ON_A_GANG = {TrialState.QUEUED, TrialState.RUNNING}


@dataclass(frozen=True)
class Answer:
    """What a report was answered with."""

    step: int
    action: Action
    reason: str


class SearchState:
    """Rows, counters and answers. `directions`: every metric of which the best value is kept."""

    def __init__(self, search: SearchSpec, directions: Mapping[str, Objective]) -> None:
        self.rows: dict[int, TrialRow] = {}
        self.started: set[int] = set()
        """trials that have had a gang"""
        self.copies: set[int] = set()
        """trials that began or went on from another one's state"""
        self.interrupted: set[int] = set()
        """trials that wait for a gang, to go on where they were"""
        self.answers: dict[int, Answer] = {}
        """trial -> the answer to its last report, until it has been resumed"""
        self.num_faults: Counter[int] = Counter()
        """trial -> faults since its last new report"""
        self.micro_batches: dict[str, int] = {}
        """kind of trial -> the largest micro-batch that may fit"""
        self.last_exploit: Line | None = None
        """the last line, where it is an EXPLOIT, whose copy may not have been made"""
        self.answered: set[str] = set()
        """keys of the commands that have an answer"""
        self.told_to_stop: set[int] = set()
        """trials that somebody wants to end"""
        self.held: set[int] = set()
        """trials that somebody has paused: none of them gets a gang until told otherwise"""
        self.enqueued: dict[str, dict[str, Any]] = {}
        """key -> parameters, of the configurations that somebody wants to be tried"""
        self.clones: dict[str, int] = {}
        """key -> donor, of those that have not begun and will from a checkpoint of the donor's"""
        self.num_gangs: int | None = None
        """what somebody wants; None: as many as fit"""
        self.num_suggested = 0
        self.is_over = False
        self.end_reason: str | None = None
        """why the search ended before its trials were spent; None where it did not"""
        self.spent_s = 0.0
        self.waiting = Waiting(search.mode)
        self._search, self._directions = search, directions
        self._counts_waiting = search.stop.patience is not None

    def apply(self, line: Line) -> None:
        """The line has happened."""
        self.spent_s = line["spent_s"]
        action = line["action"]
        if action not in ("OPEN", "LEAVE"):
            self.last_exploit = line if action == "EXPLOIT" else None
        if action in REPORTED:
            self._report(line)
        else:
            getattr(self, f"_{action.lower()}")(line)

    def best(self) -> TrialRow | None:
        """The best trial so far among those that did not fail or diverge."""
        return best_row(self.rows.values(), self._search.metric, self._search.mode)

    def _open(self, line: Line) -> None:
        """A process begins to drive the search: whatever was on a gang of the one before is not any more."""
        for row in self.rows.values():
            if row.state in ON_A_GANG:
                self._wait_for_gang(row)

    def _begin(self, line: Line) -> None:
        number, confirms, donor = line["trial"], line.get("confirms"), line.get("donor")
        self.num_suggested += confirms is None
        self.rows[number] = TrialRow(
            number,
            TrialState.QUEUED,
            dict(line["params"]),
            confirms=confirms,
            seed=line.get("seed"),
            donor=donor,
        )
        if donor is not None:
            self.copies.add(number)
            del self.clones[line["key"]]

    def _start(self, line: Line) -> None:
        row = self.rows[line["trial"]]
        row.state = advance(row.state, TrialState.RUNNING)
        self.started.add(row.number)
        self.interrupted.discard(row.number)

    def _report(self, line: Line) -> None:
        row = self.rows[line["trial"]]
        row.reports, row.steps = line["report"], line["steps"]
        row.nodes = tuple(line["nodes"])
        metrics = {metric: number_of(value) for metric, value in line["metrics"].items()}
        row.last.update(metrics)
        self._note_best(row, metrics)
        self._note_time(row, line)
        self.num_faults.pop(row.number, None)
        self.answers[row.number] = Answer(row.reports, Action(line["action"]), line["reason"])
        if "state" in line:
            self._end_trial(row, line)

    def _saved(self, line: Line) -> None:
        row = self.rows[line["trial"]]
        self._note_time(row, line)
        if self.answers.get(row.number) is None:
            return  # it was resumed while its checkpoint was written
        row.state = TrialState.PAUSED
        self.interrupted.discard(row.number)
        self._note_halt(row.number)

    def _resume(self, line: Line) -> None:
        row = self.rows[line["trial"]]
        if not line.get("under_way") and row.number in self.held:
            self._wait_for_gang(row)
        elif not line.get("under_way"):
            row.state = advance(row.state, TrialState.QUEUED)
        self.answers.pop(row.number, None)

    def _exploit(self, line: Line) -> None:
        self._resume(line)
        self.rows[line["trial"]].params = dict(line["new"])
        self.copies.add(line["trial"])

    def _retry(self, line: Line) -> None:
        row = self.rows[line["trial"]]
        self._wait_for_gang(row)
        row.retries += 1
        self._note_time(row, line)
        if line["fault"] == "memory":
            self.micro_batches[line["kind"]] = line["micro_batch"]
        else:
            self.num_faults[row.number] += 1

    def _finish(self, line: Line) -> None:
        row = self.rows[line["trial"]]
        self._note_time(row, line)
        self._end_trial(row, line)

    def _end(self, line: Line) -> None:
        self.is_over = True
        self.end_reason = line["reason"]

    def _reopen(self, line: Line) -> None:
        self.is_over = False

    def _leave(self, line: Line) -> None:
        """One trial, or (None) all that are on gangs, stop here and go on another time."""
        left = self.rows.values() if line["trial"] is None else [self.rows[line["trial"]]]
        for row in left:
            if row.state in ON_A_GANG:
                self._wait_for_gang(row)
                if line["trial"] is not None:
                    self._note_time(row, line)

    def _command(self, line: Line) -> None:
        self.answered.add(line["key"])
        if not line["is_done"]:
            return
        if line["name"] == "stop":
            self.told_to_stop.add(line["trial"])
        elif line["name"] in ("enqueue", "clone"):
            self.enqueued[line["key"]] = dict(line["params"])
            if line["name"] == "clone":
                self.clones[line["key"]] = line["trial"]
        elif line["name"] == "gangs":
            self.num_gangs = line["gangs"]
        else:
            self._hold(self.rows[line["trial"]], line["name"] == "pause")

    def _hold(self, row: TrialRow, is_held: bool) -> None:
        if is_held:
            self.held.add(row.number)
        else:
            self.held.discard(row.number)
        if row.number in self.interrupted:
            self._wait_for_gang(row)

    def _wait_for_gang(self, row: TrialRow) -> None:
        """The trial has none; one that somebody has paused does not get one either."""
        row.state = TrialState.PAUSED if row.number in self.held else TrialState.QUEUED
        self.interrupted.add(row.number)

    def _end_trial(self, row: TrialRow, line: Line) -> None:
        row.state = advance(row.state, TrialState(line["state"]))
        row.reason = line["reason"]
        self.interrupted.discard(row.number)
        self.held.discard(row.number)
        self.answers.pop(row.number, None)
        self.num_faults.pop(row.number, None)
        if row.confirms is None:
            self._note_halt(row.number)

    def _note_best(self, row: TrialRow, metrics: Mapping[str, float]) -> None:
        for metric, direction in self._directions.items():
            value = metrics.get(metric)
            if value is not None and direction.is_better(value, row.best.get(metric)):
                row.best[metric] = value
                if metric == self._search.metric and self._search.also:
                    row.objectives = objectives_of(self._search, metrics)

    def _note_time(self, row: TrialRow, line: Line) -> None:
        row.seconds, row.gpu_seconds = line["seconds"], line["gpu_seconds"]

    def _note_halt(self, number: int) -> None:
        """The trial has finished or paused: what `search.stop.patience` counts."""
        if not self._counts_waiting:
            return
        best = self.best()
        if best is None:
            self.waiting.note(number, None, None)
        else:
            self.waiting.note(number, best.number, best.best[self._search.metric])


def directions(search: SearchSpec, task: str | None) -> dict[str, Objective]:
    """The metrics of which a trial's best value is kept; of a function of one's own `task` is None."""
    modes: dict[str, Any] = dict(RULES[task].metrics) if task else {}
    modes |= {search.metric: search.mode, **search.also}
    return {metric: Objective(metric, mode) for metric, mode in modes.items()}


def objectives_of(search: SearchSpec, metrics: Mapping[str, float]) -> dict[str, Any]:
    return {metric: metrics[metric] for metric in (search.metric, *search.also) if metric in metrics}


def metrics_that_count(row: TrialRow) -> dict[str, float]:
    """Of a trial that has ended: of the report with the best value; of an INFEASIBLE one the last ones."""
    is_outside = row.state is TrialState.INFEASIBLE
    return row.objectives | row.last if is_outside else row.last | row.objectives
