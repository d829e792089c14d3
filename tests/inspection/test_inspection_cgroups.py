"""What control groups of both versions say about memory."""

from pathlib import Path

import pytest

from tuner.inspection.cgroups import cgroup_limits


@pytest.mark.parametrize(
    ("groups", "files", "limits"),
    [
        (
            "0::/job/step",
            {"job/step/memory.max": "max", "job/memory.max": "4096", "memory.max": "9000"},
            [4096, 9000],
        ),
        ("0::/", {"memory.max": "4096"}, [4096]),
        ("4:memory:/job", {"memory/job/memory.limit_in_bytes": "4096"}, [4096]),
        ("4:cpu,memory:/of/the/host", {"memory/memory.limit_in_bytes": "4096"}, [4096]),
        ("4:cpu:/job\n0::/", {"job/memory.max": "4096"}, []),
        ("0::/", {"memory.max": "no number"}, []),
        ("", {}, []),
    ],
)
def test_limits(tmp_path: Path, groups: str, files: dict[str, str], limits: list[int]) -> None:
    (tmp_path / "cgroup").write_text(groups)
    for name, content in files.items():
        file = tmp_path / "mounted" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{content}\n")
    assert cgroup_limits(tmp_path / "cgroup", tmp_path / "mounted") == limits


def test_where_there_are_no_groups(tmp_path: Path) -> None:
    assert cgroup_limits(tmp_path / "nothing", tmp_path) == []
