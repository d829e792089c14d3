"""Shared by all tests: one thread a process (two ranks on two cores must not fight), no usage reports."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
