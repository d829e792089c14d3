"""Opening a study: an Optuna journal file, or a database.

The journal is a text file that only grows; every write is locked and synced (1.3 ms a report here), and
`optuna-dashboard study.journal` shows it as it is. A process that dies in the middle of a write leaves half
a line, and Optuna's next append would glue a whole line to it, after which nobody can read the file. So
half a line is cut off when the journal is opened. Where more is damaged it is refused, and left as it is.

What a database does when it is away: `tuner.search.database`, and for how long: `tuner.search.outage`.
"""

import json
from functools import partial
from pathlib import Path

import optuna
import sqlalchemy
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.study import StudyDirection

from tuner.errors import ExperimentError, ResultsError
from tuner.search.database import open_database, shown
from tuner.search.outage import Outage, Patience, first_line
from tuner.spec.sections import SearchSpec
from tuner.spec.space import Space

_DIRECTIONS = {"min": StudyDirection.MINIMIZE, "max": StudyDirection.MAXIMIZE}
_IDENTITY = "tuner"
"""The study's attribute that says what is searched, so that two searches never share a study."""


def open_storage(storage: Path | str | None, patience: Patience | None = None) -> BaseStorage:
    """The journal at a path, the database at a URL (anything with `://`), or None: this process's memory.

    Raises ExperimentError when the database cannot be opened, StorageError when its server is away,
    ResultsError when the journal is damaged.
    """
    if storage is None:
        return InMemoryStorage()
    if is_database(storage):
        return _open_database(str(storage), patience or Patience())
    return _open_journal(Path(storage))


def name_of(storage: Path | str | None) -> str:
    """For people: without a password."""
    return shown(str(storage)) if is_database(storage) else str(storage)


def is_database(storage: Path | str | None) -> bool:
    """Whether it is a URL."""
    return "://" in str(storage)


def read_journal(path: Path) -> JournalStorage:
    """The journal at `path` for reading, without half a line at its end; ResultsError when it is damaged."""
    _check_lines(path)
    return _replay(path, None)


def _open_journal(path: Path) -> JournalStorage:
    if path.exists():
        _check_lines(path)
    lock = JournalFileSymlinkLock(str(path))
    path.touch()
    lock.acquire()
    try:
        _drop_half_line(path)
    finally:
        lock.release()
    return _replay(path, lock)


def _check_lines(path: Path) -> None:
    """ResultsError unless every whole line is JSON: Optuna forgives the last one, and then appends to it."""
    try:
        for line in path.read_bytes().split(b"\n")[:-1]:
            json.loads(line)
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, error) from error


def _replay(path: Path, lock: JournalFileSymlinkLock | None) -> JournalStorage:
    try:
        return JournalStorage(JournalFileBackend(str(path), lock))
    except Exception as error:
        # Optuna does what the lines say without looking at them, so a strange one may raise anything.
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> ResultsError:
    return ResultsError(
        f"a study's journal must hold the lines that Optuna wrote, but {path} does not "
        f"({type(error).__name__}: {error}); put back a copy of it"
    )


def _drop_half_line(path: Path) -> None:
    content = path.read_bytes()
    if content and not content.endswith(b"\n"):
        with path.open("r+b") as journal:
            journal.truncate(content.rfind(b"\n") + 1)


def _open_database(url: str, patience: Patience) -> RDBStorage:
    try:
        if sqlalchemy.engine.make_url(url).host is None:
            # A file that cannot be opened now will not be in a minute.
            return open_database(url)
        return patience.run(partial(open_database, url), shown(url))
    except (ImportError, sqlalchemy.exc.SQLAlchemyError, Outage) as error:
        raise ExperimentError(
            "search.storage must be the URL of a database that Optuna can open; found "
            f"{shown(url)}, which failed ({first_line(error)}); correct it, install the "
            "database's driver, or leave search.storage out to keep the study in the experiment's folder"
        ) from error


def open_study(storage: BaseStorage, name: str, space: Space, search: SearchSpec) -> optuna.Study:
    """The study `name`, made when missing; its sampler is still to be set.

    Raises ResultsError when it is there and belongs to another metric, direction or space.
    """
    study = optuna.create_study(
        storage=storage,
        study_name=name,
        directions=[_DIRECTIONS[mode] for mode in (search.mode, *search.also.values())],
        load_if_exists=True,
    )
    identity = _identity(space, search)
    if not study.user_attrs and not study.get_trials(deepcopy=False):
        study.set_user_attr(_IDENTITY, identity)
    _check_identity(name, study.user_attrs.get(_IDENTITY, {}), identity)
    return study


def _identity(space: Space, search: SearchSpec) -> dict[str, str]:
    domains = {parameter.name: repr(parameter.domain) for parameter in space.parameters}
    also = {f"search.also.{metric}": str(mode) for metric, mode in search.also.items()}
    return {"search.metric": search.metric, "search.mode": str(search.mode), **also, **domains}


def _check_identity(name: str, found: dict[str, str], wanted: dict[str, str]) -> None:
    for key in [*wanted, *found]:
        if found.get(key) != wanted.get(key):
            raise ResultsError(
                f"a study goes on only with the search that it was begun with; found {key} "
                f"{found.get(key, 'absent')} in the study {name!r} and {wanted.get(key, 'absent')} in the "
                "experiment; give the experiment another name"
            )
