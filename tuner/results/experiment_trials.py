"""The trials of an experiment's folder as they stand now, also while it is trained.

    trials = ExperimentTrials(paths)
    changed = trials.poll()           # numbers of the trials whose rows are new or other than before
    trials.rows[3].state

`trials.csv` is written when trials end; where `decisions.jsonl` has gone on since, its lines are followed,
which say the same at once.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tuner.errors import TunerError
from tuner.execution.decisions import damaged
from tuner.execution.state import SearchState, directions
from tuner.records.confirmation import note
from tuner.records.notes import Note, read_notes
from tuner.records.paths import ExperimentPaths
from tuner.records.rows import TrialRow, TrialsTable, trials_frame
from tuner.records.states import TrialState
from tuner.results.curves import Place, TrialCurves
from tuner.spec.reading import read_file
from tuner.spec.sections import ConfirmSpec, SearchSpec

_WRONG_LINE = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError),
    *(OSError, RecursionError),
)
"""What a line raises that does not follow from those before it, or cannot be read."""
Stamp = tuple[int, int] | None
"""When a file changed last, and its size; None where there is none."""


class ExperimentTrials:
    """Follows the rows. Raises ResultsError where both files are damaged, or one and the other is missing."""

    def __init__(self, paths: ExperimentPaths) -> None:
        self.rows: dict[int, TrialRow] = {}
        self.notes: dict[int, Note] = {}
        """What people said of them."""
        self._paths = paths
        self._stamps: tuple[Stamp, Stamp] | None = None
        self._noted: Stamp = None
        self._log: _Log | None = None
        self._table = TrialsTable(paths.trials_csv)

    def poll(self) -> set[int]:
        return self._poll_rows() | (self._poll_notes() & self.rows.keys())

    def _poll_notes(self) -> set[int]:
        stamp = _stamp(self._paths.notes)
        if stamp == self._noted:
            return set()
        before, self.notes, self._noted = self.notes, read_notes(self._paths.notes), stamp
        return {
            number
            for number in before.keys() | self.notes.keys()
            if before.get(number) != self.notes.get(number)
        }

    def _poll_rows(self) -> set[int]:
        stamps = _stamp(self._paths.trials_csv), _stamp(self._paths.decisions)
        if stamps == self._stamps:
            return set()
        before, self._stamps = self._stamps, stamps
        if self._log is not None and self._log.is_longer():
            try:
                return self._log.read_on()
            except TunerError:
                self._log = None
        known = before[1][1] if before is not None and before[1] is not None else 0
        return self._reload(*stamps, known)

    def places(self, number: int) -> list[Place]:
        return [(self._paths.trial(number).root, "")]

    def is_settled(self, number: int, curves: TrialCurves) -> bool:
        """Whether its curves have all that the trial has reported, and it does not train."""
        row = self.rows.get(number)
        num_read = int(curves.points.step.max(initial=0))
        return row is None or (row.state is not TrialState.RUNNING and num_read >= row.reports)

    def frame(self, numbers: Sequence[int], curves: Mapping[int, TrialCurves]) -> pd.DataFrame:
        """Columns `number`, `name`, those of `trials.csv`, and `tags` and `note` where there are notes."""
        frame = trials_frame([self.rows[number] for number in numbers])
        for column, values in note_columns(self.notes, numbers).items():
            frame[column] = pd.Series(values, dtype="str")
        names = [str(self._paths.trial(number).root.relative_to(self._paths.root)) for number in numbers]
        frame.insert(1, "name", pd.Series(names, dtype="str"))
        return frame

    def _reload(self, table: Stamp, log: Stamp, known: int) -> set[int]:
        """`known`: the bytes of `decisions.jsonl` that there were before."""
        self._log = None
        before, told = self.rows, set[int]()
        if log is None or (table is not None and table[0] >= log[0]):
            self.rows = self._read_table()
        else:
            self.rows, told = self._replay(known, has_table=table is not None)
        changed = (row for number, row in self.rows.items() if row is not before.get(number))
        return told | {row.number for row in changed if row != before.get(row.number)}

    def _read_table(self) -> dict[int, TrialRow]:
        is_there = self._paths.trials_csv.is_file()
        return {row.number: row for row in self._table.read()} if is_there else {}

    def _replay(self, known: int, *, has_table: bool) -> tuple[dict[int, TrialRow], set[int]]:
        """The rows by `decisions.jsonl`, and which are told of beyond the bytes that are `known`.

        Where it is damaged the rows are those of the table, if there is one.
        """
        try:
            log = _Log(self._paths)
            told = log.read_on(known)
        except TunerError:
            if not has_table:
                raise
            return self._read_table(), set()
        self._log = log
        return log.state.rows, told


class _Log:
    """`decisions.jsonl`, read on line by line; ResultsError where a line is not what a search wrote there."""

    def __init__(self, paths: ExperimentPaths) -> None:
        self._path = paths.decisions
        self._offset = self._num_lines = 0
        tree, _ = read_file(paths.experiment_yaml)
        try:
            self._search = SearchSpec.model_validate(tree["search"])
            self._confirm = tree.get("confirm") and ConfirmSpec.model_validate(tree["confirm"])
            self.state = SearchState(self._search, directions(self._search, tree.get("task")))
        except _WRONG_LINE as error:
            raise damaged(paths.experiment_yaml, 1) from error

    def is_longer(self) -> bool:
        """Whether it may have been written on, and is not another file by now."""
        found = _stamp(self._path)
        return found is not None and found[1] >= self._offset

    def read_on(self, known: int = 0) -> set[int]:
        """The trials that the lines beyond the bytes that are `known` are about, of those that came since."""
        touched, told = set[int](), set[int]()
        try:
            for line in self._lines():
                about = self._apply(line)
                touched |= about
                told |= about if self._offset > known else set()
        except _WRONG_LINE as error:
            raise damaged(self._path, self._num_lines) from error
        return told | self._confirmed(touched)

    def _lines(self) -> Iterator[Any]:
        """The whole lines that came since."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for text in file:
                if not text.endswith(b"\n"):
                    return
                self._offset += len(text)
                self._num_lines += 1
                yield json.loads(text)

    def _apply(self, line: Mapping[str, Any]) -> set[int]:
        if line["trial"] is not None:
            self.state.apply(line)
            return {line["trial"]} & self.state.rows.keys()  # A command may name one that there is not.
        before = {number: row.state for number, row in self.state.rows.items()}
        self.state.apply(line)
        return {number for number, row in self.state.rows.items() if row.state is not before[number]}

    def _confirmed(self, touched: set[int]) -> set[int]:
        """The trials about which fresh runs say something new."""
        rows = self.state.rows
        if not self._confirm or all(rows[number].confirms is None for number in touched):
            return set()
        before = {number: row.confirmed for number, row in rows.items()}
        assert self._search.mode is not None
        note(rows.values(), self._confirm, self._search.metric, self._search.mode)
        return {number for number, row in rows.items() if row.confirmed != before[number]}


def note_columns(notes: Mapping[int, Note], numbers: Sequence[int]) -> dict[str, list[str | None]]:
    """`tags` and `note` of these trials, where there is a note of any trial."""
    if all(each == Note() for each in notes.values()):
        return {}
    chosen = [notes.get(number, Note()) for number in numbers]
    return {
        "tags": [" ".join(each.tags) or None for each in chosen],
        "note": [each.text or None for each in chosen],
    }


def _stamp(path: Path) -> Stamp:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
