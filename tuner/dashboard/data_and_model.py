"""What the tab Data and model asks for: reports of the data and of the best model, rows of the data, answers.

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
from tuner.data_report.plain import kept_report
from tuner.data_report.samples import Sampler
from tuner.data_report.stores import known_store, spec_to_look_at
from tuner.errors import ResultsError
from tuner.records.rows import best_row
from tuner.spec import TrialSpec

REPORT_LIMIT_S, ANSWER_LIMIT_S = 600.0, 120.0
MODEL_VERSION = 1
"""Of the report of a model; as `tuner.inspection.model` has it."""
MOST_ROWS = 60
"""Of one answer."""
MOST_UPLOAD_BYTES = 20_000_000

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


def best_of(now: Reading) -> Best | None:
    """As `Result.best`, of the rows as they stand."""
    winner = None if now.confirmation is None else now.confirmation.winner
    if winner is not None:
        return Best(winner.number, winner.runs[0], now.rows[winner.number].params)
    row = best_row(now.rows.values(), now.result.metric, now.result.mode)
    return None if row is None else Best(row.number, row.number, row.params)


def data_report(now: Reading, inspector: Inspector) -> Look:
    store = _store_of(now)
    kept = None if store is None else kept_report(store)
    if kept is not None:
        return lambda: kept
    folder = str(now.paths.root)
    return lambda: plain(inspector.ask({"what": "data", "folder": folder}, REPORT_LIMIT_S))


def model_report(now: Reading) -> dict[str, Any]:
    """The kept report, if any, and whose model is the best one now."""
    best = best_of(now)
    try:
        report = json.loads(now.paths.predictions.read_bytes())
    except (OSError, ValueError, RecursionError):
        report = None
    if not isinstance(report, dict) or report.get("version") != MODEL_VERSION:
        report = None
    is_current = report is not None and best is not None and report.get("kept") == best.kept
    return {
        "report": plain(report),
        "best": None if best is None else {"trial": best.number, "kept": best.kept},
        "is_current": is_current,
        "is_function": now.result.is_function,
    }


def make_model_report(now: Reading, inspector: Inspector) -> Look:
    folder = str(now.paths.root)
    return lambda: plain(inspector.ask({"what": "model", "folder": folder}, REPORT_LIMIT_S))


def answer(now: Reading, inspector: Inspector, given: Mapping[str, Any]) -> Look:
    """What the best model says to `texts`, or a `row`."""
    request = {"what": "predict", "folder": str(now.paths.root), **given}
    return lambda: plain(inspector.ask(request, ANSWER_LIMIT_S))


def answer_to_file(now: Reading, inspector: Inspector, name: str, content: bytes) -> Look:
    """The same to a file, of whose name only the ending counts."""
    folder = str(now.paths.root)

    def look() -> Any:
        with tempfile.TemporaryDirectory() as temporary:
            file = Path(temporary) / f"input{_ending(name)}"
            file.write_bytes(content)
            request = {"what": "predict", "folder": folder, "file": str(file), "name": name}
            return plain(inspector.ask(request, ANSWER_LIMIT_S))

    return look


def sampler_of(now: Reading) -> tuple[Path, Mapping[str, int]]:
    """The store that is shown, and the sizes of its splits."""
    store = _store_of(now)
    if store is None:
        raise ResultsError(
            "rows are shown of data that was looked at before, but this experiment's was not, or it is gone; "
            "open its tab Data and model"
        )
    return store, _sampler(store)[1]


def rows(now: Reading, split: Split, numbers: Sequence[int]) -> list[dict[str, Any]]:
    """Rows of a split, counted from 1: label, values, text; not their pictures."""
    store, sizes = sampler_of(now)
    sampler, _ = _sampler(store)
    samples = [sampler.sample(split, _place(sizes, split, number)) for number in numbers[:MOST_ROWS]]
    return [
        plain({"row": each.row, "label": each.label, "values": each.values, "text": each.text})
        for each in samples
    ]


def picture(now: Reading, split: Split, number: int) -> bytes:
    store, sizes = sampler_of(now)
    sampler, _ = _sampler(store)
    place = _place(sizes, split, number)
    if not sampler.has_pictures:
        raise ResultsError("pictures are shown of images and recordings, but this data has none")
    return sampler.picture(split, place)


def sound(now: Reading, split: Split, number: int) -> bytes:
    store, sizes = sampler_of(now)
    sampler, _ = _sampler(store)
    place = _place(sizes, split, number)
    if not sampler.has_sounds:
        raise ResultsError("sounds are played of recordings, but this data has none")
    return sampler.sound(split, place)


def _place(sizes: Mapping[str, int], split: Split, number: int) -> int:
    if not 1 <= number <= sizes[split]:
        raise ResultsError(
            f"a row is asked for by its number, from 1 on, but {split} has {sizes[split]} rows and {number} "
            "is none of them"
        )
    return number - 1


def _store_of(now: Reading) -> Path | None:
    """Where the data that is shown lies, if that is known."""
    spec = _spec(now)
    return None if spec is None else known_store(now.paths, spec)


def _spec(now: Reading) -> TrialSpec | None:
    if now.result.is_function:
        return None
    best = best_of(now)
    return spec_to_look_at(now.experiment, None if best is None else best.params)[0]


@lru_cache(maxsize=4)
def _sampler(store: Path) -> tuple[Sampler, Mapping[str, int]]:
    from tuner.data import Store

    opened = Store.open(store)
    sizes = opened.manifest.sizes
    splits = {split: opened.split(split) for split in sizes}
    return Sampler(splits, opened.manifest, with_pictures=False), sizes


def _ending(name: str) -> str:
    """Letters and digits after the last dot, so that it makes no path."""
    ending = name.rpartition(".")[2].lower()
    return f".{ending}" if ending.isalnum() and ending.isascii() and len(ending) <= 10 else ""
