"""Who had which gang from when to when, told from the lines of `decisions.jsonl`.

    laps = Laps()
    for line in lines:
        laps.hear(line)
    laps.columns, laps.num_gangs

A log of before gangs were named has none: there a lap is on the lowest lane that was free. Seconds are those
of searching.
"""

from collections.abc import Callable, Iterable
from typing import Any

from tuner.execution.decisions import Line
from tuner.execution.state import REPORTED

COLUMNS = ("gang", "nodes", "devices", "trial", "from_s", "to_s", "kind")
"""`gang`: its number, from 0 in each run. `nodes` with commas between; `devices`: the GPUs on each of them,
with semicolons between, empty on CPUs; None where nobody has told yet, or the log does not tell. `to_s` is
None while the lap goes on. `kind`: `train`; `restart`, it began again after a fault or an interruption, until
its next report; `pause`, its checkpoint is written."""

MOMENT_S = 0.1


class Laps:
    """Hears the lines in their order."""

    def __init__(self) -> None:
        self.columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}
        self._open: dict[int, int] = {}
        """trial -> its lap that goes on, as an index"""
        self._broken_off: set[int] = set()
        """trials that begin again, and not because the scheduler says so"""
        self._is_named = False
        """Whether the log says which gang it was"""
        self._places: dict[int, tuple[str, str | None]] = {}
        """gang of this run -> its nodes and devices"""
        self._unplaced: dict[int, list[int]] = {}
        """gang of this run whose place nobody has told yet -> its laps"""
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
        self._is_named = "gang" in line
        gang = line["gang"] if self._is_named else self._free_gang()
        if gang is None:
            return
        kind = "restart" if trial in self._broken_off else "train"
        self._broken_off.discard(trial)
        self._begin(trial, gang, line["spent_s"], kind, *self._places.get(gang, ("", None)))
        if self._is_named and gang not in self._places:
            self._unplaced.setdefault(gang, []).append(self._open[trial])

    def report(self, line: Line) -> None:
        trial, at_s = line["trial"], line["spent_s"]
        index = self._open.get(trial)
        if index is None:
            return
        self._place(index, line)
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
        """Before gangs were named, a trial that was refused or cut while it waited had a START like all."""
        index = self._open.get(line["trial"])
        if index is None:
            return
        is_new = index == len(self.columns["trial"]) - 1 and not self.columns["nodes"][index]
        if not self._is_named and is_new and line["spent_s"] - self.columns["from_s"][index] < MOMENT_S:
            del self._open[line["trial"]]
            for values in self.columns.values():
                values.pop()
        self._end([line["trial"]], line["spent_s"])

    def open(self, line: Line) -> None:
        """Another run: what the one before had on gangs ended with its last line."""
        self._broken_off.update(self._open)
        self._end(list(self._open), self._last_s)
        self._places.clear()
        self._unplaced.clear()

    def _place(self, index: int, line: Line) -> None:
        """The report says where the lap's gang is."""
        nodes = ",".join(line["nodes"])
        devices = ";".join(line["devices"]) if "devices" in line else None
        laps = [index]
        if devices is not None:
            gang = self.columns["gang"][index]
            self._places[gang] = nodes, devices
            laps += self._unplaced.pop(gang, [])
        for each in laps:
            self.columns["nodes"][each], self.columns["devices"][each] = nodes, devices

    def _begin(
        self, trial: int, gang: int, from_s: float, kind: str, nodes: str, devices: str | None
    ) -> None:
        self._open[trial] = len(self.columns["trial"])
        lap = (gang, nodes, devices, trial, from_s, None, kind)
        for name, value in zip(COLUMNS, lap, strict=True):
            self.columns[name].append(value)

    def _change(self, trial: int, at_s: float, kind: str) -> None:
        """The lap ends and another one of the same trial begins on the same gang."""
        index = self._open[trial]
        gang, nodes, devices = (self.columns[name][index] for name in ("gang", "nodes", "devices"))
        self._end([trial], at_s)
        self._begin(trial, gang, at_s, kind, nodes, devices)

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
