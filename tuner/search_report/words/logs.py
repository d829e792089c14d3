"""TensorBoard logs of others in words: nothing was searched, so there is only what the runs reached."""

from collections.abc import Sequence

import pandas as pd

from tuner.search_report.words.parts import Section, Table, count, number

MOST_TAGS = 40


def logged(runs: pd.DataFrame, tags: Sequence[str]) -> Section:
    """Of `Tables.trials` and the tags of their curves."""
    sentences = (
        f"{count(len(runs), 'run')} with curves of {count(len(tags), 'tag')}. These are logs of others: what "
        "was searched, and for which metric, is not known, so no run is called the best.",
    )
    rows = [_row(runs, tag) for tag in tags[:MOST_TAGS] if f"last/{tag}" in runs]
    columns = ("tag", "runs", "lowest last value", "of run", "highest last value", "of run")
    return Section("What was logged", sentences, (Table(columns, tuple(rows)),) if rows else ())


def _row(runs: pd.DataFrame, tag: str) -> tuple[str, ...]:
    last = runs.set_index("name")[f"last/{tag}"].dropna()
    ends = [(number(last[name]), str(name)) for name in (last.idxmin(), last.idxmax())] if len(last) else []
    cells = [cell for end in ends for cell in end]
    return (tag, str(len(last)), *(cells or ["–"] * 4))
