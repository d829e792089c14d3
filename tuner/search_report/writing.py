"""From a folder to a report: reads all, tells it in words, writes one file."""

from datetime import datetime, timezone
from itertools import permutations
from pathlib import Path

from tuner.dashboard.answers import Answering
from tuner.dashboard.following import Followed
from tuner.dashboard.logs import Logs
from tuner.errors import ResultsError, UsageError
from tuner.records.files import atomic_write
from tuner.records.passwords import masked
from tuner.records.paths import ExperimentPaths, list_experiments
from tuner.search_report import html
from tuner.search_report.answers import Json, pack
from tuner.search_report.outcome import Outcome
from tuner.search_report.words import sections
from tuner.search_report.words.held import held
from tuner.search_report.words.logs import logged
from tuner.search_report.words.parts import Section

MOST_PAIRED = 3
"""Parameters whose partial dependence is held by two."""


def write_report(folder: str | Path, out: str | Path | None = None) -> Path:
    """Writes the report of an experiment's folder, or of any folder of TensorBoard logs; the file it wrote.

    Args:
        out: None: `report.html` in the folder.

    Raises:
        ResultsError: there is nothing to report of, or it is damaged.
        UsageError: the file cannot be there.
    """
    folder = Path(folder)
    followed = _followed(folder)
    file = folder / "report.html" if out is None else Path(out)
    _check_writable(file)
    importances = {"ped_anova": followed.importance(None, "ped_anova")}
    dependences = _dependences(followed, importances["ped_anova"])
    written = datetime.now(timezone.utc)
    with followed.now(curves=True) as now:
        packed = pack(now, importances, dependences)
        told = _words(now, folder, importances["ped_anova"], written)
        num_trials = len(now.numbers)
    subtitle = f"A report of {written:%Y-%m-%d %H:%M} UTC, by tuner."
    blocks = packed.blocks if num_trials else {}
    told = [*told, held(packed, str(folder))] if num_trials else told
    try:
        atomic_write(file, html.page(followed.name, subtitle, told, blocks))
    except OSError as error:
        raise UsageError(
            f"a report is written as one file, but {file} cannot be written ({error.strerror}); "
            "name another by --out."
        ) from error
    return file


def _followed(folder: Path) -> Followed:
    if not folder.is_dir():
        raise ResultsError(
            f"a report is of a folder of results, but {folder} is none; "
            "name the one that `tuner run` printed."
        )
    if ExperimentPaths(folder).experiment_yaml.is_file():
        return Answering(folder.resolve())
    several = [paths.root.name for paths in list_experiments(folder)]
    if several:
        raise ResultsError(
            f"a report is of one experiment, but {folder} holds {', '.join(several)}; "
            f"name one: tuner report {folder / several[0]}"
        )
    return Logs(folder.resolve())


def _dependences(followed: Followed, importance: Json) -> list[Json]:
    """On each parameter, and on each two of the most important ones, in both orders."""
    names = [each["name"] for each in importance["importances"]]
    asked = [*((name,) for name in names), *permutations(names[:MOST_PAIRED], 2)]
    return [followed.dependence(None, each) for each in asked]


def _words(now: Followed, folder: Path, importance: Json, written: datetime) -> list[Section]:
    if isinstance(now, Answering):
        return sections(_outcome(now, folder, importance, written))
    assert isinstance(now, Logs)
    return [logged(now.runs, now.tags)]


def _outcome(now: Answering, folder: Path, importance: Json, written: datetime) -> Outcome:
    details, summary = now.details(), now.summary()
    return Outcome(
        name=now.name,
        folder=str(folder),
        file=masked(now.paths.experiment_yaml.read_text(errors="replace")),
        settings=details["settings"],
        parameters=now.experiment.space.parameters,
        standing=now.standing,
        end_reason=now.result.end_reason,
        rows=tuple(now.rows[number] for number in sorted(now.rows)),
        confirmation=now.confirmation,
        max_reports=now.result.max_reports,
        search_s=summary["seconds"],
        importance=importance,
        environment=details["environment"],
        written=written,
    )


def _check_writable(file: Path) -> None:
    if file.is_dir() or not file.parent.is_dir():
        raise UsageError(f"--out needs a file in a folder that is there; found {file}; make the folder.")
