"""How long the dashboard takes to show a search, beside optuna-dashboard and TensorBoard on the same folder.

    python benchmarks/dashboard.py [--trials 1000 10000] [--reports 100] [--repeats 3]

Needs `pip install -e '.[bench,browser]'` and Debian's chromium. Each server runs and has answered once.
A first view is complete when nothing has changed for `QUIET_S`: no element, no request, no task of 50 ms; its
time is that of the last of these since the navigation began. Each opening is a new page with an empty cache.
The second table is ours alone: from the end of a brush along an axis until all views are painted, and what
a running search costs in a second, of the server's and of the page's time.
"""

import argparse
import itertools
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil
from _table import Part, write_page
from make_results import IN_MEMORY, begin, make

CHROMIUM = "/usr/bin/chromium"
GANGS = 16
QUIET_S, LIMIT_S = 2.0, 180.0
LIVE_S = 20.0
LINES_A_SECOND = 8
"""What sixteen gangs write that report every two seconds."""
WATCH = """
(() => {
  const seen = (at) => { window.lastChange = Math.max(window.lastChange ?? 0, at); };
  new MutationObserver(() => seen(performance.now())).observe(document, {
    subtree: true, childList: true, attributes: true, characterData: true,
  });
  const observe = (type) => new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) seen(entry.responseEnd ?? entry.startTime + entry.duration);
  }).observe({ type, buffered: true });
  observe("resource");
  observe("longtask");
})();
"""
PAINTED = """() => new Promise((done) => {
  const last = (name) => performance.getEntriesByName(`tuner:${name}`).at(-1)?.startTime ?? -1;
  const isPainted = () => last("painted") >= last("changed");
  const look = () => (isPainted() ? done(last("painted")) : requestAnimationFrame(look));
  requestAnimationFrame(look);
})"""


@dataclass(frozen=True)
class Peer:
    """A dashboard: its server's command, where the search is seen, and what is there when it is."""

    name: str
    command: Callable[[Path, int], list[str]]
    path: Callable[[Path], str]
    sign: str


def program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


OURS = Peer(
    "tuner: parallel coordinates, curves, scatter, best so far, table",
    lambda folder, port: [program("tuner"), "dashboard", str(folder), "--port", str(port), "--no-open"],
    lambda folder: f"/e/{folder.name}",
    ".card-table .grid-row",
)
PEERS = [
    OURS,
    Peer(
        "optuna-dashboard: importance, history, parallel coordinates",
        lambda folder, port: optuna_dashboard(folder, port),
        lambda folder: "/dashboard/studies/0",
        ".js-plotly-plot",
    ),
    Peer(
        "optuna-dashboard: its table of trials",
        lambda folder, port: optuna_dashboard(folder, port),
        lambda folder: "/dashboard/studies/0/trialTable",
        "table tbody tr",
    ),
    Peer(
        "TensorBoard: time series",
        lambda folder, port: tensorboard(folder, port),
        lambda folder: "/#timeseries",
        "card-view",
    ),
    Peer(
        "TensorBoard: HParams, its table",
        lambda folder, port: tensorboard(folder, port),
        lambda folder: "/#hparams",
        "tf-hparams-table-view vaadin-grid",
    ),
]


def optuna_dashboard(folder: Path, port: int) -> list[str]:
    return [program("optuna-dashboard"), str(folder / "study.journal"), "--port", str(port)]


def tensorboard(folder: Path, port: int) -> list[str]:
    every = ["--samples_per_plugin", "scalars=0", "--reload_interval", "3600"]
    return [program("tensorboard"), "--logdir", str(folder / "trials"), "--port", str(port), *every]


# --- servers -----------------------------------------------------------------------------------------------


@contextmanager
def served(peer: Peer, folder: Path) -> Iterator[tuple[str, psutil.Process]]:
    """Its address, and the server's process."""
    port = free_port()
    process = subprocess.Popen(
        peer.command(folder, port), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        address = f"http://localhost:{port}"
        wait_until_answered(address, process)
        yield address, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(timeout=30)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_until_answered(address: str, process: Any) -> None:
    until_s = time.monotonic() + LIMIT_S
    while time.monotonic() < until_s:
        assert process.poll() is None, f"the server ended with {process.returncode}"
        try:
            urllib.request.urlopen(address, timeout=LIMIT_S).read()
            return
        except urllib.error.URLError:
            time.sleep(0.2)
    raise SystemExit(f"no answer from {address}")


# --- pages -------------------------------------------------------------------------------------------------


@contextmanager
def opened(browser: Any) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    page = context.new_page()
    page.set_default_timeout(LIMIT_S * 1000)
    page.add_init_script(WATCH)
    try:
        yield page
    finally:
        context.close()


def settled_s(page: Any, url: str, sign: str) -> float:
    """Seconds from the navigation until all is there."""
    page.goto(url)
    page.locator(sign).first.wait_for(state="attached")
    while True:
        last_ms, now_ms = page.evaluate("() => [window.lastChange, performance.now()]")
        if now_ms - last_ms > QUIET_S * 1000:
            return float(last_ms) / 1000
        time.sleep(0.2)


def first_view_s(browser: Any, peer: Peer, address: str, folder: Path) -> float:
    with opened(browser) as page:
        return settled_s(page, address + peer.path(folder), peer.sign)


def brush_s(browser: Any, address: str, folder: Path) -> float:
    """The median over the axes, from the pointer's last move along one until every view is painted."""
    with opened(browser) as page:
        settled_s(page, address + OURS.path(folder), OURS.sign)
        num_axes = page.locator(".axis-head").count()
        box = page.locator(".card-parallel .plot-surface").bounding_box()
        return statistics.median(one_brush_s(page, box, (axis + 0.5) / num_axes) for axis in range(num_axes))


def one_brush_s(page: Any, box: dict[str, float], share: float) -> float:
    x, (top, bottom) = box["x"] + share * box["width"], (box["y"] + y * box["height"] for y in (0.2, 0.7))
    page.mouse.move(x, top)
    page.mouse.down()
    began_ms = page.evaluate("() => performance.now()")
    page.mouse.move(x, bottom)
    page.mouse.up()
    painted_ms = page.evaluate(PAINTED)
    page.keyboard.press("Escape")
    page.evaluate(PAINTED)
    return float(painted_ms - began_ms) / 1000


def live_shares(browser: Any, folder: Path, trials: int, reports: int) -> tuple[float, float]:
    """While its lines come as they would: the shares of a core that the server and the page take."""
    made, lines = begin(folder, trials=trials, reports=reports, gangs=GANGS, seed=0)
    with served(OURS, folder) as (address, server), opened(browser) as page:
        settled_s(page, address + OURS.path(folder), OURS.sign)
        devtools = page.context.new_cdp_session(page)
        devtools.send("Performance.enable")
        before = server_s(server), page_s(devtools)
        began_s = time.monotonic()
        while time.monotonic() < began_s + LIVE_S:
            for line in itertools.islice(lines, LINES_A_SECOND):
                made.take(line)
            made.write_table()
            time.sleep(1.0)
        seconds = time.monotonic() - began_s
        after = server_s(server), page_s(devtools)
    made.close()
    server_share, page_share = ((late - early) / seconds for early, late in zip(before, after, strict=True))
    return server_share, page_share


def server_s(server: psutil.Process) -> float:
    times = server.cpu_times()
    return float(times.user + times.system)


def page_s(devtools: Any) -> float:
    metrics = devtools.send("Performance.getMetrics")["metrics"]
    return float(next(each["value"] for each in metrics if each["name"] == "TaskDuration"))


# --- tables ------------------------------------------------------------------------------------------------


def compare(browser: Any, folders: dict[int, Path], repeats: int) -> Part:
    """The dashboards take turns, so that what disturbs one round disturbs all of them alike."""
    rows = []
    for trials, folder in folders.items():
        with ExitStack() as stack:
            places = {peer.name: stack.enter_context(served(peer, folder))[0] for peer in PEERS}
            found: dict[str, list[float]] = {peer.name: [] for peer in PEERS}
            for _ in range(repeats):
                for peer in PEERS:
                    found[peer.name].append(first_view_s(browser, peer, places[peer.name], folder))
            brush = brush_s(browser, places[OURS.name], folder)
        ours = statistics.median(found[OURS.name])
        for name, times_s in found.items():
            seconds = statistics.median(times_s)
            brushed = f"{brush:.2f}" if name == OURS.name else "-"
            rows.append([name, f"{trials:,}", f"{seconds:.2f}", f"{seconds / ours:.1f}", brushed])
    return Part("First view", ["page", "trials", "s until complete", "times tuner", "s a brush"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="The dashboard beside the others, in one browser.")
    parser.add_argument("--trials", type=int, nargs="*", default=[1000, 10_000])
    parser.add_argument("--reports", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--live", type=int, default=1000, help="trials of the search that runs")
    arguments = parser.parse_args()
    from playwright.sync_api import sync_playwright

    load = psutil.getloadavg()[0]
    sizes = {"reports": arguments.reports, "gangs": GANGS, "seed": 0, "full": True, "done": False}
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as scratch, sync_playwright() as playwright:
        folders = {trials: Path(scratch, f"made_{trials}") for trials in arguments.trials}
        for trials, folder in folders.items():
            make(folder, trials=trials, **sizes)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        parts = [compare(browser, folders, arguments.repeats)]
        server, page = live_shares(browser, Path(scratch, "live"), arguments.live, arguments.reports)
        row = [f"{arguments.live:,}", str(LINES_A_SECOND), f"{server:.1%}", f"{page:.1%}"]
        header = ["trials", "lines a second", "server, of a core", "page, of a core"]
        parts.append(Part("While a search runs, one update a second", header, [row]))
        version = browser.version
    peers = ", ".join(f"{name} {metadata.version(name)}" for name in ("optuna-dashboard", "tensorboard"))
    facts = {
        "work": f"{arguments.reports} points a curve; median of {arguments.repeats} openings, in turns",
        "with": f"Chromium {version}, headless, 1440 x 900; {peers}",
        "load": f"{load:.1f} before it began (1 minute); its own comes on top",
    }
    write_page("dashboard", "The dashboard beside others", facts, parts, is_complete=True)


if __name__ == "__main__":
    main()
