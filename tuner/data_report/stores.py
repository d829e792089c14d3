"""Which prepared store a trial reads.

Its name is a hash of the data. Once found it is noted in the experiment's folder, so that it is found at once
the next time, and also where the files that it was made from are gone.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tuner.data import Store, fingerprint, localised
from tuner.errors import DataError, ResultsError
from tuner.records.files import atomic_write_json
from tuner.records.paths import ExperimentPaths
from tuner.records.versions import read_versions
from tuner.spec import Experiment
from tuner.spec.sections import TrialSpec


def spec_to_look_at(
    experiment: Experiment, best: Mapping[str, Any] | None
) -> tuple[TrialSpec, dict[str, Any]]:
    """The trial whose data is shown, and what of the data is searched: its parameters.

    Args:
        best: parameters of the best trial; without one all is taken at its first value.
    """
    params = next(experiment.space.corners()) if best is None else best
    searched = {name: value for name, value in params.items() if name.startswith("data.")}
    return experiment.resolve(params), searched


def known_store(paths: ExperimentPaths, spec: TrialSpec) -> Path | None:
    """Where the data of `spec` lies prepared, if somebody has looked for it before and it is still there."""
    name = _known(paths).get(_key_of(spec))
    return paths.store_root / name if name and (paths.store_root / name).is_dir() else None


def named_store(paths: ExperimentPaths, name: str) -> Path | None:
    """The store of that name, if it was found for this experiment before and is still there."""
    store = paths.store_root / name
    return store if name in _known(paths).values() and store.is_dir() else None


def find_store(paths: ExperimentPaths, spec: TrialSpec, searched: Mapping[str, Any]) -> Store:
    """The prepared data of `spec`; reads the files it was made from. Prepares and fetches nothing.

    Raises:
        ResultsError: it is gone.
        DataError: it is damaged.
    """
    known = known_store(paths, spec)
    if known is not None:
        return Store.open(known)
    again = f"prepare it anew with: {command(paths, searched)}"
    try:
        local = localised(spec.data, paths.store_root, read_versions(paths), may_fetch=False)
        path = paths.store_root / fingerprint(local, spec.task)
    except DataError as error:
        raise ResultsError(
            f"data is shown as the search prepared it, but where that lies cannot be told ({error}); {again}"
        ) from error
    if not path.is_dir():
        raise ResultsError(f"data is shown as the search prepared it, but {path} is gone; {again}")
    store = Store.open(path)
    with suppress(OSError):  # Where nothing may be written it is looked for again.
        atomic_write_json(paths.stores, {**_known(paths), _key_of(spec): store.path.name})
    return store


def command(paths: ExperimentPaths, searched: Mapping[str, Any]) -> str:
    """What prepares the data with these parameters."""
    chosen = [f"--set {shlex.quote(f'{name}={value}')}" for name, value in searched.items()]
    results = shlex.quote(str(paths.store_root.parent))
    return " ".join(["tuner data", shlex.quote(str(paths.experiment_yaml)), *chosen, "--results", results])


def report_file(store: Path) -> Path:
    """Where the report of a store is kept: beside it, for in it is only what its checksums name."""
    return store.with_name(f"{store.name}.report.json")


def _key_of(spec: TrialSpec) -> str:
    return hashlib.sha256(f"{spec.task} {spec.data.model_dump_json()}".encode()).hexdigest()


def _known(paths: ExperimentPaths) -> dict[str, str]:
    """Data section to the name of its store."""
    try:
        found = json.loads(paths.stores.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    known = found if isinstance(found, dict) else {}
    return {key: name for key, name in known.items() if isinstance(name, str) and _is_hash(name)}


def _is_hash(name: str) -> bool:
    return len(name) == 64 and set(name) <= set("0123456789abcdef")
