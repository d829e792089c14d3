"""What every committed benchmark table says about itself, and the one way to write it.

A table without its machine, date, versions and command cannot be checked later, so `write_table` puts
them in front of the figures. Tables are Markdown under `results/benchmarks/`, the only part of
`results/` that is committed.
"""

import datetime
import os
import platform
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
TABLES = ROOT / "results" / "benchmarks"
PACKAGES = ("torch", "deepspeed", "ray", "optuna", "numpy")


def environment() -> dict[str, str]:
    """Hardware, date, versions and command of this run, each as one readable line."""
    return {
        "hardware": f"{_cpu_model()}, {os.cpu_count()} cores, {_memory_gib():.0f} GiB, {_gpus()}",
        "date": datetime.date.today().isoformat(),
        "versions": ", ".join(_versions()),
        "command": f"`{_command()}`",
    }


def write_table(
    name: str,
    title: str,
    facts: Mapping[str, str],
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    is_complete: bool,
) -> None:
    """Print one table; write it to `results/benchmarks/<name>.md` if no part of the comparison was left out.

    `facts` come before the environment's (the model, the work); the first column is left-aligned, the
    others, being figures, right-aligned.
    """
    _write(name, title, facts, [_grid(header, rows)], is_complete)


@dataclass(frozen=True)
class Part:
    """One of several tables on a page."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def write_page(
    name: str, title: str, facts: Mapping[str, str], parts: Iterable[Part], *, is_complete: bool
) -> None:
    """As `write_table`, with several tables under headings of their own."""
    texts = [f"## {part.title}\n\n{_grid(part.header, part.rows)}" for part in parts]
    _write(name, title, facts, texts, is_complete)


def _write(name: str, title: str, facts: Mapping[str, str], texts: Sequence[str], is_complete: bool) -> None:
    text = "\n\n".join([f"# {title}", _facts({**facts, **environment()}), *texts])
    print(text)
    if is_complete:
        TABLES.mkdir(parents=True, exist_ok=True)
        (TABLES / f"{name}.md").write_text(text + "\n")


def _facts(facts: Mapping[str, str]) -> str:
    return "\n".join(f"- {key}: {value}" for key, value in facts.items())


def _grid(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = ["---"] + ["---:"] * (len(header) - 1)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))


def _versions() -> list[str]:
    return [f"Python {platform.python_version()}"] + [f"{name} {metadata.version(name)}" for name in PACKAGES]


def _command() -> str:
    script = Path(sys.argv[0]).resolve().relative_to(ROOT)
    return shlex.join(["python", str(script), *sys.argv[1:]])


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()


def _memory_gib() -> float:
    return psutil.virtual_memory().total / 2**30


def _gpus() -> str:
    import torch

    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return ", ".join(names) if names else "no GPU"
