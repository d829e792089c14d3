"""A mark in the environment of every process that a benchmark begins, by which they are found."""

import os

import psutil

MARK = "TUNER_BENCHMARK"


def marked() -> dict[str, str]:
    """The environment of what this process begins."""
    return os.environ | {MARK: str(os.getpid())}


def ours() -> list[psutil.Process]:
    """The living processes that this one began, and those that they did."""
    return [process for process in psutil.process_iter() if _is_ours(process)]


def _is_ours(process: psutil.Process) -> bool:
    try:
        is_marked = process.environ().get(MARK) == str(os.getpid())
        return is_marked and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:  # it has just ended, or belongs to the system
        return False
