"""How long event files take to become one table of all points, against the other ways to read them.

    python benchmarks/read_events.py [--runs 200] [--steps 500] [--repeats 3] [--only tuner ...]

Needs `pip install -e '.[bench]'`. Each reading is a fresh process; its clock begins after the imports. The
logs are one scalar an event, as most writers make them, and lie in the page cache. All readers must find the
same points. The second table is what `Follower.poll` takes.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from _memory import MIB, peak_bytes
from _table import Part, write_page

TAGS = 5
GANGS, NUM_POLLS = 16, 20
RUSTBOARD_LIMIT_S = 300


def write_logs(folder: Path, runs: int, steps: int) -> None:
    from tuner.records.events import EventWriter

    folder.mkdir()
    num_points_file(folder).write_text(str(runs * TAGS * steps))
    for run in range(runs):
        writer = EventWriter(folder / f"run_{run:04d}")
        for step in range(steps):
            for tag in range(TAGS):
                writer.scalars(step, {f"metric/{tag}": (run + step / 8) / (tag + 1)}, 1.7e9 + step)
        writer.close()


def num_points_file(folder: Path) -> Path:
    """Holds how many points the logs have: RustBoard does not say when it has loaded all."""
    return folder.with_suffix(".points")


# --- the readers: each makes the function that reads, after its imports ------------------------------------


def tuner() -> Callable[[Path], Any]:
    from tuner.results.aggregate import read_tables

    return lambda folder: read_tables(folder).curves


def tbparse() -> Callable[[Path], Any]:
    from tbparse import SummaryReader

    columns = {"wall_time", "dir_name"}
    return lambda folder: SummaryReader(str(folder), extra_columns=columns).scalars


def event_accumulator() -> Callable[[Path], Any]:
    import pandas as pd
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def read(folder: Path) -> Any:
        rows = []
        for run in sorted(folder.iterdir()):
            accumulator = EventAccumulator(str(run), size_guidance={"scalars": 0})
            accumulator.Reload()
            for tag in accumulator.Tags()["scalars"]:
                found = accumulator.Scalars(tag)
                rows += [(run.name, tag, point.step, point.wall_time, point.value) for point in found]
        return pd.DataFrame(rows, columns=["run", "tag", "step", "wall_time", "value"])

    return read


def rustboard() -> Callable[[Path], Any]:
    import pandas as pd
    from tensorboard.context import RequestContext
    from tensorboard.data import server_ingester
    from tensorboard.data.provider import RunTagFilter
    from tensorboard.util import grpc_util

    def read(folder: Path) -> Any:
        ingester = server_ingester.SubprocessServerDataIngester(
            server_binary=server_ingester.get_server_binary(),
            logdir=str(folder),
            reload_interval=1,
            channel_creds_type=grpc_util.ChannelCredsType.LOCAL,
            samples_per_plugin={"scalars": 0},
        )
        ingester.start()
        provider, context = ingester.data_provider, RequestContext()
        arguments = {"experiment_id": "", "plugin_name": "scalars"}

        def num_loaded() -> int:
            found = provider.list_scalars(context, **arguments)
            return sum(series.max_step + 1 for tags in found.values() for series in tags.values())

        num_points, began_s = int(num_points_file(folder).read_text()), time.monotonic()
        while (loaded := num_loaded()) < num_points:
            if time.monotonic() > began_s + RUSTBOARD_LIMIT_S:
                raise SystemExit(
                    f"RustBoard must load all points within {RUSTBOARD_LIMIT_S} s, but it has {loaded:,} of "
                    f"{num_points:,}; run with smaller logs, or leave it out with --only"
                )
            time.sleep(0.02)
        rows = []
        for run in sorted(run.run_name for run in provider.list_runs(context, experiment_id="")):
            found = provider.read_scalars(
                context, **arguments, downsample=10**9, run_tag_filter=RunTagFilter(runs=[run])
            )
            for tag, points in found[run].items():
                rows += [(run, tag, point.step, point.wall_time, point.value) for point in points]
        return pd.DataFrame(rows, columns=["run", "tag", "step", "wall_time", "value"])

    return read


READERS = {
    "tuner": ("tuner", tuner),
    "tuner_again": ("tuner, from what the first reading kept", tuner),
    "rustboard": ("RustBoard, TensorBoard's server in Rust", rustboard),
    "event_accumulator": ("TensorBoard's EventAccumulator", event_accumulator),
    "tbparse": ("tbparse", tbparse),
}


def measure(reader: str, folder: Path) -> None:
    """In a process of its own: one line of JSON."""
    read = READERS[reader][1]()
    base = peak_bytes()
    began_s = time.perf_counter()
    frame = read(folder)
    seconds = time.perf_counter() - began_s
    children = sum(child.memory_info().rss for child in psutil.Process().children(recursive=True))
    peak = peak_bytes() + children
    checksum = float(frame["value"].sum()), int(frame["step"].sum())
    print(json.dumps({"seconds": seconds, "base": base, "peak": peak, "n": len(frame), "sum": checksum}))


def measured(reader: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, "--measure", reader, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def compare(folder: Path, readers: list[str], repeats: int) -> Part:
    from tuner.results.curve_cache import NAME

    found: dict[str, list[dict[str, Any]]] = {reader: [] for reader in readers}
    for _ in range(repeats):
        for reader in readers:
            if reader != "tuner_again":
                (folder / NAME).unlink(missing_ok=True)
            elif not (folder / NAME).is_file():
                measured("tuner", folder)
            found[reader].append(measured(reader, folder))
    assert len({(run["n"], *run["sum"]) for runs in found.values() for run in runs}) == 1, found
    seconds = {reader: statistics.median(run["seconds"] for run in runs) for reader, runs in found.items()}
    slowest = seconds.get("tbparse")
    rows = []
    for reader, runs in found.items():
        base, peak = (statistics.median(run[name] for run in runs) / MIB for name in ("base", "peak"))
        times = f"{slowest / seconds[reader]:.1f}" if slowest else "-"
        speed = f"{runs[0]['n'] / seconds[reader]:,.0f}"
        rows.append(
            [READERS[reader][0], f"{seconds[reader]:.2f}", speed, times, f"{peak:.0f}", f"{base:.0f}"]
        )
    header = ["reader", "s", "points/s", "times tbparse", "peak MiB", "of that after the imports MiB"]
    return Part("All points as one table", header, rows)


# --- following ---------------------------------------------------------------------------------------------


def poll_ms(follower: Any, before: Callable[[], None]) -> float:
    """The median of several polls, each after `before`."""
    times_s = []
    for _ in range(NUM_POLLS):
        before()
        began_s = time.perf_counter()
        follower.poll()
        times_s.append(time.perf_counter() - began_s)
    return 1000 * statistics.median(times_s)


def grow(folders: list[Path]) -> None:
    """Each trial reports once more: its last event comes again."""
    from tuner.records.event_reader import event_files
    from tuner.records.event_records import whole_records

    for folder in folders:
        content = event_files(folder)[-1].read_bytes()
        start, end = whole_records(content)
        with event_files(folder)[-1].open("ab") as file:
            file.write(content[start[-1] - 12 : end[-1] + 4])


def follow(scratch: Path, trials: int) -> Part:
    from make_results import make

    from tuner.results.aggregate import Follower

    ours = scratch / "followed"
    # When it is looked at, four of five reports are there.
    make(ours, trials=trials * 5 // 4, reports=27, gangs=GANGS, seed=0, full=False, done=False)
    follower = Follower(ours)
    follower.poll()
    table = follower.tables.trials
    running = [ours / name for name in table[table["state"] == "RUNNING"]["name"]]
    others = Follower(ours / "trials")
    others.poll()
    rows = []
    for kind, each in {"an experiment of ours": follower, "logs of others": others}.items():
        size = f"{len(each.tables.trials):,}"
        rows.append([f"{kind}, nothing is new", size, f"{poll_ms(each, int):.1f}"])
        rows.append([f"{kind}, {len(running)} grew", size, f"{poll_ms(each, lambda: grow(running)):.1f}"])
    return Part("A poll of a folder that is followed", ["folder", "trials", "ms a poll"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="Reading event files: tuner against the others.")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--trials", type=int, default=2000, help="of the search that is followed")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=READERS, help="these readers alone; nothing is written")
    parser.add_argument("--measure", nargs=2, metavar=("READER", "DIR"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.measure[0], Path(arguments.measure[1]))
        return
    load = psutil.getloadavg()[0]
    with tempfile.TemporaryDirectory() as scratch:
        logs = Path(scratch) / "logs"
        write_logs(logs, arguments.runs, arguments.steps)
        parts = [compare(logs, arguments.only or list(READERS), arguments.repeats)]
        if not arguments.only:
            parts.append(follow(Path(scratch), arguments.trials))
        size = sum(file.stat().st_size for file in logs.rglob("*tfevents*")) / MIB
    work = f"{arguments.runs} runs x {TAGS} tags x {arguments.steps} steps, {size:.0f} MiB"
    facts = {
        "work": f"{work}; median of {arguments.repeats}, each in a fresh process, one after the other",
        "load": f"{load:.1f} before it began (1 minute); its own comes on top",
    }
    title = "Reading TensorBoard event files"
    write_page("read_events", title, facts, parts, is_complete=not arguments.only)


if __name__ == "__main__":
    main()
