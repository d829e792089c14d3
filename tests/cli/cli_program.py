"""Runs the command line inside this process, as the installed `tuner` does."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tuner.cli import main


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    status: int
    out: str
    err: str


Program = Callable[..., Ended]


def program(capfd: pytest.CaptureFixture[str]) -> Program:
    """program("run", spec, "--trials", 3) -> Ended; output of native code counts as well."""

    def call(*arguments: object) -> Ended:
        capfd.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main([str(argument) for argument in arguments])
        captured = capfd.readouterr()
        code = exit_.value.code
        return Ended(code if isinstance(code, int) else int(code is not None), captured.out, captured.err)

    return call


def tree(folder: Path) -> dict[str, bytes | None]:
    """Every path under `folder` with its content; None for a folder."""
    paths = sorted(folder.rglob("*"))
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in paths}
