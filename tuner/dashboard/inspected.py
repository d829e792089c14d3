"""What the tab Data and model shows: reports of the data and of the best model, rows of the data, answers.

Reports are kept files, made by the process of `Inspector` where they are missing. Rows, pictures and sounds
are read from the prepared store, here.
"""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from tuner.dashboard.inspector import Inspector
from tuner.dashboard.reading import Reading
from tuner.dashboard.tables import plain
from tuner.data import Store
from tuner.data_report.plain import kept_report
from tuner.data_report.samples import Sampler
from tuner.data_report.stores import known_store, named_store, spec_to_look_at
from tuner.errors import ResultsError
from tuner.records.predictions import is_of, read_predictions
from tuner.records.rows import best_row
from tuner.spec.sections import TrialSpec

REPORT_LIMIT_S, ANSWER_LIMIT_S = 600.0, 120.0
MOST_ROWS = 60
"""Of one answer."""

Split = Literal["train", "val", "test"]
Look = Callable[[], Any]
"""Takes long, so it is done where nobody else waits for it."""


@dataclass(frozen=True)
class Best:
    """The trial whose model is shown."""

    number: int
    kept: int
    """Number of the run whose weights are taken."""
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Shown:
    """The prepared data, row by row; rows are counted from 1."""

    sizes: Mapping[str, int]
    sampler: Sampler

    def rows(self, split: Split, numbers: Sequence[int]) -> list[dict[str, Any]]:
        """Label, values, text; not their pictures."""
        samples = [self.sampler.sample(split, self._place(split, each)) for each in numbers[:MOST_ROWS]]
        return [
            plain({"row": each.row, "label": each.label, "values": each.values, "text": each.text})
            for each in samples
        ]

    def picture(self, split: Split, number: int) -> bytes:
        place = self._place(split, number)
        if not self.sampler.has_pictures:
            raise ResultsError("pictures are shown of images and recordings, but this data has none")
        return self.sampler.picture(split, place)

    def sound(self, split: Split, number: int) -> bytes:
        place = self._place(split, number)
        if not self.sampler.has_sounds:
            raise ResultsError("sounds are played of recordings, but this data has none")
        return self.sampler.sound(split, place)

    def _place(self, split: Split, number: int) -> int:
        if not 1 <= number <= self.sizes[split]:
            raise ResultsError(
                f"a row is asked for by its number, from 1 on, but {split} has {self.sizes[split]} rows and "
                f"{number} is none of them"
            )
        return number - 1


def best_of(now: Reading) -> Best | None:
    """As `Result.best`, of the rows as they stand."""
    confirmation = now.confirmation
    if confirmation is not None and confirmation.winner is not None:
        winner = confirmation.winner
        return Best(winner.number, winner.runs[0], now.rows[winner.number].params)
    row = best_row(now.rows.values(), now.result.metric, now.result.mode)
    return None if row is None else Best(row.number, row.number, row.params)


def data_report(now: Reading, inspector: Inspector) -> Look:
    """The report of the store, and what is searched of the data, with the best trial's values."""
    told = {"name": now.name, "searched": {} if now.result.is_function else _spec(now)[1]}
    store = _store_of(now)
    kept = None if store is None else kept_report(store)
    if kept is not None:
        return lambda: plain({**kept, **told})
    make = _asking(inspector, {"what": "data", "folder": str(now.paths.root)}, REPORT_LIMIT_S)
    return lambda: plain({**make(), **told})


def kept_model(now: Reading) -> dict[str, Any]:
    """As `model_report`, of the kept report."""
    return model_report(now, read_predictions(now.paths))


def model_report(now: Reading, report: dict[str, Any] | None) -> dict[str, Any]:
    """The report, if any, and whether it is of the best model as it is now."""
    best = best_of(now)
    return {
        "report": plain(report),
        "best": None if best is None else best.number,
        "is_current": report is not None and best is not None and is_of(report, now.paths, best.kept),
        "is_function": now.result.is_function,
    }


def make_model_report(now: Reading, inspector: Inspector) -> Look:
    return _asking(inspector, {"what": "model", "folder": str(now.paths.root)}, REPORT_LIMIT_S)


def answer(now: Reading, inspector: Inspector, content: bytes, file: str | None) -> Look:
    """What the best model says to a file of that name, or without one to `texts` or a `row` in JSON."""
    request = {"what": "predict", "folder": str(now.paths.root)}
    if file is None:
        return _asking(inspector, {**request, **_given(content)}, ANSWER_LIMIT_S)

    def look() -> Any:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"input{_ending(file)}"
            path.write_bytes(content)
            asked = {**request, "file": str(path), "name": file}
            return _asking(inspector, asked, ANSWER_LIMIT_S)()

    return look


def shown(now: Reading, name: str) -> Shown:
    """The store of that name; raises ResultsError where nobody has looked at it for this experiment."""
    store = named_store(now.paths, name)
    if store is None:
        raise ResultsError(
            "rows are shown of data that was looked at, but this data of the experiment was not, or it is "
            "gone; open the tab Data and model"
        )
    return _shown(store)


def _asking(inspector: Inspector, request: Mapping[str, Any], limit_s: float) -> Look:
    return lambda: plain(inspector.ask(request, limit_s))


def _given(content: bytes) -> dict[str, Any]:
    """What was filled in."""
    try:
        tree = json.loads(content)
    except (ValueError, RecursionError):
        tree = None
    given = tree if isinstance(tree, dict) else {}
    texts, row = given.get("texts"), given.get("row")
    if isinstance(texts, list) and 1 <= len(texts) <= 2 and all(isinstance(text, str) for text in texts):
        return {"texts": texts}
    if isinstance(row, dict) and all(_is_cell(value) for value in row.values()):
        return {"row": row}
    raise ResultsError(
        "a model is asked by `texts`, one or two, or by a `row` of cells, but found something else; see "
        "docs/dashboard.md"
    )


def _is_cell(value: object) -> bool:
    return value is None or isinstance(value, str | int | float)


def _store_of(now: Reading) -> Path | None:
    """Where the data that is shown lies, if that is known."""
    return None if now.result.is_function else known_store(now.paths, _spec(now)[0])


def _spec(now: Reading) -> tuple[TrialSpec, dict[str, Any]]:
    """The trial whose data is shown, and what of the data is searched."""
    best = best_of(now)
    return spec_to_look_at(now.experiment, None if best is None else best.params)


@lru_cache(maxsize=4)
def _shown(store: Path) -> Shown:
    opened = Store.open(store)
    return Shown(opened.manifest.sizes, Sampler(opened, with_pictures=False))


def _ending(name: str) -> str:
    """The letters and digits after the last dot, which make no path."""
    ending = name.rpartition(".")[2].lower()
    return f".{ending}" if ending.isalnum() and ending.isascii() and len(ending) <= 10 else ""
