"""versions.json: which version of each address a search's data were prepared from."""

from pathlib import Path

import pytest

from tuner.errors import ResultsError
from tuner.records.files import atomic_write_json
from tuner.records.paths import ExperimentPaths
from tuner.records.versions import read_versions


def test_what_was_written_is_read(tmp_path: Path) -> None:
    paths = ExperimentPaths(tmp_path)
    assert read_versions(paths) == {}
    versions = {"s3://bucket/*.csv": "0a" * 32, "hf://datasets/some/set@main": "1b" * 20}
    atomic_write_json(paths.versions_json, versions)
    assert read_versions(paths) == versions


@pytest.mark.parametrize(
    "content",
    ["", "[]", "[" * 9999, '{"s3://bucket/rows.csv": 1}', '{"s3://bucket/rows.csv": "../../elsewhere"}'],
)
def test_a_damaged_file(tmp_path: Path, content: str) -> None:
    paths = ExperimentPaths(tmp_path)
    paths.versions_json.write_text(content)
    with pytest.raises(ResultsError, match=r"versions\.json must hold a hash for each address"):
        read_versions(paths)
