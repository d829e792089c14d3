"""Shared by all tests: one thread a process (two ranks on two cores must not fight), no usage reports.

Properties are tried with the same examples every time; `make fuzz` is there to look for others.
"""

import os

from hypothesis import HealthCheck, settings

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

settings.register_profile(
    "tuner",
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=100,
    # A folder of the test may hold one file that each example writes anew.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("tuner")
