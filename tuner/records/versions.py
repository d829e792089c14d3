"""Which version of each address a search's data were prepared from: versions.json, address to version."""

import json
import re

from tuner.errors import ResultsError
from tuner.records.paths import ExperimentPaths

_VERSION = re.compile(r"[0-9a-f]{40,64}")


def read_versions(paths: ExperimentPaths) -> dict[str, str]:
    """None of a search whose data are on this machine; ResultsError where the file is damaged."""
    if not paths.versions_json.is_file():
        return {}
    try:
        versions = json.loads(paths.versions_json.read_bytes())
    except (OSError, ValueError, RecursionError):
        versions = None
    if not (isinstance(versions, dict) and all(_is_version(version) for version in versions.values())):
        raise ResultsError(
            f"versions.json must hold a hash for each address, but {paths.versions_json} does not; put back "
            f"a copy of it, or begin a new search"
        )
    return versions


def _is_version(version: object) -> bool:
    return isinstance(version, str) and _VERSION.fullmatch(version) is not None
