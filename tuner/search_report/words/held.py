"""What the file itself holds, and what was left out of it."""

import shlex
from collections.abc import Iterator

from tuner.search_report.answers import Kept, Packed
from tuner.search_report.words.parts import Section, Table, count, listed

MOST_TAGS = 30


def held(packed: Packed, folder: str) -> Section:
    thinned = tuple(_row(kept) for kept in packed.kept if kept.num_kept < kept.num_points)
    table = Table(("curves of", "points", "in this file"), thinned[:MOST_TAGS])
    return Section("What this file holds", tuple(_sentences(packed, folder)), (table,) if thinned else ())


def _sentences(packed: Packed, folder: str) -> Iterator[str]:
    yield (
        "The views below need no server and no network. Their numbers have six digits, those of curves five. "
        f"Logs and checkpoints are not in it; tuner dashboard {shlex.quote(folder)} shows them."
    )
    whole = [kept.tag for kept in packed.kept if kept.num_kept == kept.num_points]
    thinned = [kept for kept in packed.kept if 0 < kept.num_kept < kept.num_points]
    absent = [kept.tag for kept in packed.kept if kept.num_kept == 0 < kept.num_points]
    if whole:
        yield f"Curves of {_tags(whole)} are whole."
    if thinned:
        yield (
            f"Curves of {count(len(thinned), 'tag')} are thinned evenly, with the first and the last point "
            "of each trial; the table says how far."
        )
    if absent:
        yield f"Curves of {_tags(absent)} are left out."
    left = packed.num_decisions - packed.num_decisions_kept
    if left:
        yield f"{left:,} of {packed.num_decisions:,} decisions are left out: to go on, at no rung."


def _tags(tags: list[str]) -> str:
    more = len(tags) - MOST_TAGS
    return listed(tags if more <= 0 else [*tags[:MOST_TAGS], f"{more} more"])


def _row(kept: Kept) -> tuple[str, str, str]:
    return kept.tag, f"{kept.num_points:,}", f"{kept.num_kept:,}"
