"""An experiment as a Ray job: code, experiment and local data files travel to the cluster.

What is sent is this package, the experiment as resolved, and the files that it names under `path`; the
dependencies must be installed on the cluster. The job runs `python -m tuner run` on the head node and
joins the cluster that it is part of.
"""

import asyncio
import shlex
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray.job_submission import JobStatus, JobSubmissionClient

from tuner.data.sources.files import expand
from tuner.errors import DataError, ExperimentError, ResourceError
from tuner.spec import Experiment
from tuner.spec.addresses import is_address
from tuner.spec.reading import read_text, write_text
from tuner.tasks import RULES

MAX_FILE_BYTES = 100 * 2**20
"""A larger file is not sent; put it where every node can read it."""


@dataclass(frozen=True)
class Job:
    """A submitted experiment."""

    id: str
    client: JobSubmissionClient

    def follow(self, write: Callable[[str], Any]) -> bool:
        """Hands the job's log to `write` line by line until it has ended; whether it succeeded."""
        asyncio.run(self._write_log(write))
        return bool(self.client.get_job_status(self.id) == JobStatus.SUCCEEDED)

    async def _write_log(self, write: Callable[[str], Any]) -> None:
        rest = ""
        async for text in self.client.tail_job_logs(self.id):
            *lines, rest = (rest + text).split("\n")
            for line in lines:
                write(line)
        if rest:
            write(rest)


def submit_job(experiment: Experiment, address: str, *, results: str) -> Job:
    """Sends `experiment` to the job server at `address` (http://HEAD:8265).

    Args:
        results: folder on the cluster, relative to the job's working directory or absolute.

    Raises:
        ResourceError: no job server answers.
        DataError: a named data file is missing or too large to send, or is a recording.
        ExperimentError: the experiment trains by a Python function.
    """
    if experiment.function is not None:
        raise ExperimentError(
            "a submitted experiment must be a file, but this one trains by a Python function; "
            "call tuner.run(experiment, address=...) from a script that you submit."
        )
    client = _client(address)
    with tempfile.TemporaryDirectory(prefix="tuner-job-") as folder:
        pack(experiment, Path(folder))
        job_id = client.submit_job(entrypoint=entrypoint(results), runtime_env={"working_dir": folder})
    return Job(job_id, client)


def entrypoint(results: str) -> str:
    """What the job server hands to a shell; in one word with its option a folder is no option itself."""
    return f"python -m tuner.cli run experiment.yaml --address auto {shlex.quote(f'--results={results}')}"


def pack(experiment: Experiment, folder: Path) -> None:
    """Writes package, experiment and data files to `folder`, with paths relative to it."""
    if experiment.task is not None and RULES[experiment.task].data == "recordings":
        raise DataError(
            f"a job takes tables and arrays with it, but {experiment.name} has recordings; put them where "
            f"every node can read them, and call tuner run --address auto on a node."
        )
    package = Path(__file__).parents[1]
    shutil.copytree(package, folder / "tuner", ignore=shutil.ignore_patterns("__pycache__"))
    tree, _ = read_text(experiment.to_yaml(), lambda mark: experiment.name)
    _take_files(tree["data"], folder / "data")
    (folder / "experiment.yaml").write_text(write_text(tree), encoding="utf-8")


def _take_files(node: Any, folder: Path) -> None:
    """Copies every file named under a key `path` to `folder` and renames it in the tree."""
    if isinstance(node, list):
        for item in node:
            _take_files(item, folder)
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        if key == "path" and not (isinstance(value, dict) and "choice" in value):
            node[key] = _taken(value, folder)
        else:
            _take_files(value, folder)


def _taken(files: Any, folder: Path) -> Any:
    """The copies of a file or pattern, of a list of such, or of each split's; patterns become lists."""
    if files is None:
        return None
    if isinstance(files, dict):
        return {part: _taken(each, folder) for part, each in files.items()}
    copies = [
        copy for each in ([files] if isinstance(files, str) else files) for copy in _copies(each, folder)
    ]
    return copies[0] if len(copies) == 1 else copies


def _copies(file: str, folder: Path) -> list[str]:
    """An address stays: the cluster fetches its files itself."""
    return [file] if is_address(file) else [f"data/{_copy(path, folder).name}" for path in expand(file)]


def _copy(path: Path, folder: Path) -> Path:
    """Of a file, or of a folder of images."""
    if not path.exists():
        raise DataError(f"a data file must exist, but {path} does not; correct data.source.path.")
    size = sum(file.stat().st_size for file in [path, *path.rglob("*")] if file.is_file())
    if size > MAX_FILE_BYTES:
        raise DataError(
            f"a submitted data file may have {MAX_FILE_BYTES >> 20} MiB, but {path} has {size >> 20} MiB; "
            f"put it where every node can read it and submit from there."
        )
    folder.mkdir(exist_ok=True)
    target = folder / path.name
    number = 1
    while target.exists():
        number += 1
        target = folder / f"{path.stem}-{number}{path.suffix}"
    return Path(shutil.copytree(path, target) if path.is_dir() else shutil.copyfile(path, target))


def _client(address: str) -> JobSubmissionClient:
    try:
        return JobSubmissionClient(address)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ResourceError(
            f"--address must be the job server of a running Ray cluster, but none answers at {address} "
            f"({str(error).splitlines()[0]}); the address looks like http://HEAD:8265."
        ) from error
