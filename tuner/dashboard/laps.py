"""Who had which gang from when to when, told from the lines of `decisions.jsonl`.

    laps = Laps()
    for line in lines:
        laps.hear(line)
    laps.columns, laps.num_gangs

The log does not name gangs: a lap is on the lowest lane that was free. Seconds are those of searching.
"""

from collections.abc import Callable, Iterable
from typing import Any

from tuner.execution.decisions import Line
from tuner.execution.state import REPORTED

COLUMNS = ("gang", "nodes", "trial", "from_s", "to_s", "kind")
"""`to_s` is None while the lap goes on. `kind`: `train`; `restart`, it began again after a fault or an
interruption, until its next report; `pause`, its checkpoint is written."""

MOMENT_S = 0.1


class Laps:
    """Hears the lines in their order."""

    def __init__(self) -> None:
        self.columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
        self._open: dict[int, int] = {}
        """trial -> its lap that goes on, as an index"""
        self._broken_off: set[int] = set()
        """trials that begin again, and not because the scheduler says so"""
        self._last_s = 0.0

    @property
    def num_gangs(self) -> int:
        return max(self.columns["gang"], default=-1) + 1

    def hear(self, line: Line) -> None:
        action = line["action"]
        hear = _HEARD.get(action, Laps.report if action in REPORTED else None)
        if hear is not None:
            hear(self, line)
        self._last_s = line["spent_s"]

    def start(self, line: Line) -> None:
        trial = line["trial"]
        kind = "restart" if trial in self._broken_off else "train"
        self._broken_off.discard(trial)
        self._begin(trial, self._free_gang(), line["spent_s"], kind)

    def report(self, line: Line) -> None:
        trial, at_s = line["trial"], line["spent_s"]
        index = self._open.get(trial)
        if index is None:
            return
        self.columns["nodes"][index] = ",".join(line["nodes"])
        if "state" in line:
            self._end([trial], at_s)
        elif line["action"] == "PAUSE":
            self._change(trial, at_s, "pause")
        elif self.columns["kind"][index] == "restart":
            self._change(trial, at_s, "train")

    def stop(self, line: Line) -> None:
        """SAVED, RETRY, LEAVE: the trial gives its gang back; without a trial all do."""
        trials = list(self._open) if line["trial"] is None else [line["trial"]]
        if line["action"] != "SAVED":
            self._broken_off.update(trials)
        self._end(trials, line["spent_s"])

    def finish(self, line: Line) -> None:
        """A trial that is refused or cut while it waits gets a START too, but never had a gang."""
        index = self._open.get(line["trial"])
        if index is None:
            return
        is_new = index == len(self.columns["trial"]) - 1 and not self.columns["nodes"][index]
        if is_new and line["spent_s"] - self.columns["from_s"][index] < MOMENT_S:
            del self._open[line["trial"]]
            for values in self.columns.values():
                values.pop()
        self._end([line["trial"]], line["spent_s"])

    def open(self, line: Line) -> None:
        """Another run: what the one before had on gangs ended with its last line."""
        self._broken_off.update(self._open)
        self._end(list(self._open), self._last_s)

    def _begin(self, trial: int, gang: int, from_s: float, kind: str, nodes: str = "") -> None:
        self._open[trial] = len(self.columns["trial"])
        lap = {"gang": gang, "nodes": nodes, "trial": trial, "from_s": from_s, "to_s": None, "kind": kind}
        for name, values in self.columns.items():
            values.append(lap[name])

    def _change(self, trial: int, at_s: float, kind: str) -> None:
        """The lap ends and another one of the same trial begins on the same gang."""
        index = self._open[trial]
        gang, nodes = self.columns["gang"][index], self.columns["nodes"][index]
        self._end([trial], at_s)
        self._begin(trial, gang, at_s, kind, nodes)

    def _end(self, trials: Iterable[int], at_s: float) -> None:
        for trial in trials:
            index = self._open.pop(trial, None)
            if index is not None:
                self.columns["to_s"][index] = at_s

    def _free_gang(self) -> int:
        taken = {self.columns["gang"][index] for index in self._open.values()}
        return next(gang for gang in range(len(taken) + 1) if gang not in taken)


_HEARD: dict[str, Callable[[Laps, Line], None]] = {
    "OPEN": Laps.open,
    "START": Laps.start,
    "SAVED": Laps.stop,
    "RETRY": Laps.stop,
    "LEAVE": Laps.stop,
    "FINISH": Laps.finish,
}
