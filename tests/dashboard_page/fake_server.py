"""A stand-in for the dashboard's server: the page's files and generated experiments, by the same addresses."""

import gzip
import json
import math
import random
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

PAGE = Path(__file__).parents[2] / "tuner" / "dashboard" / "page"
POLICY = "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
AXES = [
    {"name": "model.channels", "kind": "choice", "low": None, "high": None, "log": False, "choices": [8, 16, 32]},
    {"name": "model.depth", "kind": "int", "low": 1, "high": 3, "log": False, "choices": None},
    {"name": "model.dropout", "kind": "float", "low": 0.0, "high": 0.5, "log": False, "choices": None},
    {"name": "train.batch_size", "kind": "choice", "low": None, "high": None, "log": False, "choices": [32, 64, 128]},
    {"name": "train.optimizer", "kind": "choice", "low": None, "high": None, "log": False, "choices": ["adamw", "sgd"]},
    {"name": "train.optimizer.adamw.lr", "kind": "float", "low": 1e-4, "high": 3e-2, "log": True, "choices": None},
    {"name": "train.optimizer.sgd.lr", "kind": "float", "low": 1e-3, "high": 1.0, "log": True, "choices": None},
    {"name": "train.optimizer.sgd.momentum", "kind": "float", "low": 0.0, "high": 0.99, "log": False, "choices": None},
]
MARKUP = "<img src=x onerror=document.body.dataset.broken=1>"


class Made:
    """One generated search: `size` trials of up to `reports` reports."""

    def __init__(self, name, size, reports=27, seed=0):
        self.name, self.size = name, size
        self.random = random.Random(seed)
        self.rows, self.curves, self.decisions, self.laps = [], {}, [], []
        free = [0.0] * 8
        for number in range(size):
            self._trial(number, reports, free)

    def _trial(self, number, reports, free):
        draw = self.random
        is_sgd = draw.random() < 0.5
        params = {
            "model.channels": draw.choice([8, 16, 32]),
            "model.depth": draw.randint(1, 3),
            "model.dropout": round(draw.uniform(0, 0.5), 4),
            "train.batch_size": draw.choice([32, 64, 128]),
            "train.optimizer": "sgd" if is_sgd else "adamw",
            "train.optimizer.adamw.lr": None if is_sgd else 10 ** draw.uniform(-4, -1.52),
            "train.optimizer.sgd.lr": 10 ** draw.uniform(-3, 0) if is_sgd else None,
            "train.optimizer.sgd.momentum": draw.uniform(0, 0.99) if is_sgd else None,
        }
        if number == 3:
            params["train.optimizer"] = MARKUP
        lr = params["train.optimizer.sgd.lr"] or params["train.optimizer.adamw.lr"] * 20
        miss = abs(math.log10(lr / 0.06)) * 0.12 + abs(params["model.dropout"] - 0.15) * 0.2
        final = max(0.1, 0.995 - miss - 0.01 * draw.random() - 0.02 * (params["model.channels"] == 8))
        diverges = lr > 0.8 and draw.random() < 0.8
        ran = draw.choice([1, 1, 1, 3, 3, 9, reports]) if final < 0.95 else reports
        ran = 2 if diverges else ran
        accuracy = [final - (final - 0.1) * math.exp(-0.5 * (t + 1)) + draw.gauss(0, 0.004) for t in range(ran)]
        loss = [0.02 + 2.2 * (1 - a) + abs(draw.gauss(0, 0.01)) for a in accuracy]
        if diverges:
            accuracy[-1] = loss[-1] = math.nan
        state = "DIVERGED" if diverges else "COMPLETE" if ran == reports else "STOPPED"
        if number % 97 == 41:
            state = "FAILED"
        if number >= self.size - 4 and self.name.startswith("running"):
            state = "RUNNING"
        seconds = 0.25 * ran * (1 + params["model.channels"] / 32)
        gang = free.index(min(free))
        start, free[gang] = free[gang], free[gang] + seconds + 0.05
        self.laps.append({"gang": gang, "nodes": ["node-0"], "trial": number, "from_s": start, "to_s": free[gang] - 0.05, "kind": "train"})
        for report in (1, 3, 9):
            if ran >= report and not diverges:
                cut = {1: 0.4, 3: 0.75, 9: 0.93}[report]
                value = accuracy[report - 1]
                stops = ran == report
                reason = f"{value:.6g} at report {report} is {'below' if stops else 'above'} the cut-off {cut}"
                self.decisions.append((start + seconds * report / ran, number, "STOP" if stops else "CONTINUE", report, value, cut, report, reason))
        self.curves[number] = (accuracy, loss, seconds / ran)
        finite = [a for a in accuracy if a == a]
        reason = {"COMPLETE": "trained 27 epochs", "DIVERGED": "val/loss is nan at report 2", "FAILED": "RuntimeError: out of cheese", "RUNNING": ""}.get(state, self.decisions[-1][-1] if self.decisions else "")
        self.rows.append(
            {
                "number": number, "state": state, "reason": reason, **{f"param/{k}": v for k, v in params.items()},
                "best/val/accuracy": max(finite, default=None), "best/val/loss": min((x for x in loss if x == x), default=None),
                "last/val/accuracy": accuracy[-1] if accuracy[-1] == accuracy[-1] else None,
                "last/val/loss": loss[-1] if loss[-1] == loss[-1] else None,
                "reports": ran, "steps": ran * 40, "seconds": seconds, "gpu_seconds": 2 * seconds, "retries": 0, "confirms": None, "seed": None, "nodes": "node-0",
            }
        )  # fmt: skip

    def overview(self):
        best = max((row for row in self.rows if row["best/val/accuracy"]), key=lambda row: row["best/val/accuracy"], default=None)
        states = [row["state"] for row in self.rows]
        return {
            "name": self.name, "task": "image_classification", "state": "running" if "RUNNING" in states else "ended",
            "metric": "val/accuracy", "mode": "max", "best": best and best["best/val/accuracy"], "best_trial": best and best["number"],
            "finished": len(states) - states.count("RUNNING"), "trials": self.size, "running": states.count("RUNNING"), "failed": states.count("FAILED"),
            "seconds": sum(row["seconds"] for row in self.rows), "gpu_seconds": sum(row["gpu_seconds"] for row in self.rows),
            "started_s": time.time() - 4000, "event_age_s": 12.5, "error": None,
        }  # fmt: skip

    def detail(self):
        base = self.overview()
        return {
            "name": self.name, "task": base["task"], "metric": "val/accuracy", "mode": "max", "state": base["state"],
            "settings": {"search": {"trials": self.size}}, "axes": AXES, "metrics": ["val/accuracy", "val/loss"],
            "objectives": [], "environment": {}, "confirmation": None, "hints": [],
        }  # fmt: skip

    def trials(self):
        names = list(self.rows[0]) if self.rows else ["number", "state", "reason"]
        return {"columns": names, "data": {name: [row[name] for row in self.rows] for name in names}}

    def curve_bytes(self, tag, numbers):
        which = 0 if tag == "val/accuracy" else 1
        chosen = [n for n in self.curves if numbers is None or n in numbers]
        counts = [len(self.curves[n][which]) for n in chosen]
        header = json.dumps({"trials": chosen, "counts": counts, "fields": ["step", "time_s", "value"]}).encode()
        header += b" " * (-(4 + len(header)) % 8)
        steps = np.concatenate([40.0 * np.arange(1, count + 1) for count in counts] or [np.empty(0)])
        times = np.concatenate([self.curves[n][2] * np.arange(1, count + 1) for n, count in zip(chosen, counts, strict=True)] or [np.empty(0)])
        values = np.concatenate([np.array(self.curves[n][which]) for n in chosen] or [np.empty(0)])
        return len(header).to_bytes(4, "little") + header + np.concatenate([steps, times, values]).astype("<f8").tobytes()

    def columns_of_decisions(self):
        names = ["at_s", "trial", "action", "report", "value", "cutoff", "rung", "reason"]
        return {"columns": names, "data": {name: [line[i] for line in sorted(self.decisions)] for i, name in enumerate(names)}}

    def trial(self, number):
        names = ["at_s", "trial", "action", "report", "value", "cutoff", "rung", "reason"]
        return {
            "row": self.rows[number], "params": {}, "checkpoints": [{"name": "report_27", "report": 27, "bytes": 812345, "at_s": 3.0}],
            "faults": [], "decisions": [dict(zip(names, line, strict=True)) for line in self.decisions if line[1] == number], "timeline": [],
        }  # fmt: skip


class Handler(BaseHTTPRequestHandler):
    made = {}

    def log_message(self, *args):
        pass

    def do_GET(self):
        url = urlsplit(self.path)
        parts = [unquote(part) for part in url.path.strip("/").split("/")]
        query = parse_qs(url.query)
        if parts[0] in ("", "e"):
            self._file(PAGE / "index.html")
        elif parts[0] == "page":
            self._file(PAGE.joinpath(*parts[1:]))
        else:
            self._api(parts[2:], query)

    def _api(self, parts, query):
        if not parts:
            return self._json([each.overview() for each in self.made.values()])
        found = self.made.get(parts[0])
        if found is None:
            return self._json({"error": f"There is no experiment {parts[0]!r} here."}, 404)
        match parts[1:]:
            case []:
                self._json(found.detail())
            case ["trials"]:
                self._json(found.trials())
            case ["trials", number]:
                self._json(found.trial(int(number)))
            case ["trials", number, "log"]:
                self._json({"text": f"trial {number}\n{MARKUP}\n", "offset": 0, "size": 60})
            case ["curves"]:
                numbers = {int(n) for n in query["trials"][0].split(",")} if "trials" in query else None
                self._send(found.curve_bytes(query["tag"][0], numbers), "application/octet-stream")
            case ["decisions"]:
                self._json(found.columns_of_decisions())
            case ["timeline"]:
                self._json(found.laps)
            case ["live"]:
                self._send(b"retry: 60000\n\n", "text/event-stream")
            case _:
                self._json({"error": "no such address"}, 404)

    def _json(self, content, status=200):
        self._send(json.dumps(content).replace("NaN", "null").encode(), "application/json", status)

    def _file(self, path):
        if not path.is_file():
            return self._json({"error": "no such file"}, 404)
        kinds = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
        self._send(path.read_bytes(), kinds[path.suffix])

    def _send(self, content, kind, status=200):
        if len(content) > 1000:
            content = gzip.compress(content, 1)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if len(content) > 2 and content[:2] == b"\x1f\x8b":
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", POLICY)
        self.end_headers()
        self.wfile.write(content)


if __name__ == "__main__":
    Handler.made = {name: Made(name, size, reports) for name, size, reports in [("digits", 32, 27), ("running_digits", 40, 27), ("thousand", 1000, 100), ("tenthousand", 10_000, 100), ("empty", 0, 27)]}
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
