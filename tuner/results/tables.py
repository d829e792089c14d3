"""The tables of a folder as files: what `tuner results` prints or writes.

    frame = select("results/digits_cnn", curves="val/loss")
    write(Path("curves.parquet"), as_bytes(frame, "parquet"))

CSV leaves an absent value empty, and writes the values of curves as they are, NaN too. In JSON both are null,
for it has no number that is not finite. Parquet keeps types; columns of mixed ones become text.
"""

import io
import json
import math
from pathlib import Path

import pandas as pd

from tuner.errors import ResultsError, UsageError
from tuner.records.files import atomic_write
from tuner.results.aggregate import read_tables
from tuner.spec.domains import known

KINDS = ("csv", "parquet", "json")
ALL_TAGS = "all"


def kind_of(named: str | None, out: Path | None) -> str:
    """The kind that was asked for, else that of the file's name, else CSV.

    Raises:
        UsageError: there is no such kind.
    """
    suffix = out.suffix.removeprefix(".") if out else ""
    kind = named or (suffix if suffix in KINDS else "csv")
    if kind not in KINDS:
        raise UsageError(f"--format must be csv, parquet or json; found {kind}{known(kind, KINDS)}")
    if kind == "parquet" and out is None:
        raise UsageError("parquet is no text to print, but no file was named; add -o FILE.parquet")
    return kind


def select(folder: str | Path, curves: str | None) -> pd.DataFrame:
    """The table of trials, or with `curves` the points of that tag (`all`: of every tag).

    Raises:
        ResultsError: the folder holds no results, or none of that tag.
    """
    tables = read_tables(folder)
    if curves is None:
        return tables.trials
    if curves == ALL_TAGS:
        return tables.curves
    tags = [str(tag) for tag in tables.curves["tag"].cat.categories]
    if curves not in tags:
        raise ResultsError(
            f"--curves names a tag of the logs, or all; found {curves}, which {folder} does not have"
            f"{known(curves, tags)}"
        )
    chosen = tables.curves[tables.curves["tag"] == curves]
    frame: pd.DataFrame = chosen.drop(columns="tag").reset_index(drop=True)
    return frame


def as_bytes(frame: pd.DataFrame, kind: str) -> bytes:
    """The file's content."""
    if kind == "json":
        # pandas' own way keeps 15 digits.
        finite = frame.astype(object).where(frame.notna() & ~frame.isin([math.inf, -math.inf]), None)
        return (json.dumps(finite.to_dict("records"), ensure_ascii=False) + "\n").encode()
    if kind == "parquet":
        content = io.BytesIO()
        _typed(frame).to_parquet(content, index=False)
        return content.getvalue()
    # Only the value of a point may be NaN by itself; anywhere else it is absent.
    is_curve = "value" in frame and "wall_time_s" in frame
    return frame.to_csv(index=False, na_rep="NaN" if is_curve else "").encode(errors="backslashreplace")


def write(out: Path, content: bytes) -> None:
    """Raises UsageError where the file cannot be there."""
    if out.is_dir() or not out.parent.is_dir():
        raise UsageError(f"-o needs a file in a folder that is there; found {out}; make the folder.")
    atomic_write(out, content)


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """With text where values of several types share a column, as 8 and "auto" do."""
    typed: pd.DataFrame = frame.copy()
    for name in frame:
        is_mixed = pd.api.types.is_object_dtype(frame[name]) and len({*map(type, frame[name].dropna())}) > 1
        if is_mixed:
            typed[name] = frame[name].map(str, na_action="ignore")
    return typed
