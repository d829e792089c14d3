"""The Pareto front: the trials that no other one beats in every objective."""

from collections.abc import Iterable, Mapping

from tuner.records.rows import TrialRow, search_rows


def front_rows(rows: Iterable[TrialRow], modes: Mapping[str, str]) -> list[TrialRow]:
    """The search's sound rows that no other dominates, the best in the first objective first.

    One row dominates another when it is at least as good in every objective and better in one. Of equal rows
    all belong to the front. A row without a value of some objective does not.

    Args:
        modes: objective -> "min" or "max".
    """
    losses = {
        row.number: tuple(row.objectives[metric] * (1 if modes[metric] == "min" else -1) for metric in modes)
        for row in search_rows(rows)
        if row.is_sound and modes.keys() <= row.objectives.keys()
    }
    best = [row for row in rows if row.number in losses and not _is_dominated(losses[row.number], losses)]
    return sorted(best, key=lambda row: losses[row.number])


def _is_dominated(loss: tuple[float, ...], losses: Mapping[int, tuple[float, ...]]) -> bool:
    return any(
        other != loss and all(a <= b for a, b in zip(other, loss, strict=True)) for other in losses.values()
    )
