"""Shared by all tests: one thread a process (two ranks on two cores must not fight), no usage reports.

Properties are tried with the same examples every time; `make fuzz` is there to look for others.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from postgres_server import programs, running_server

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
# Nothing may need the network; read when huggingface_hub is imported.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

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


@pytest.fixture(scope="session")
def postgres() -> Iterator[int]:
    """The port of a server of one's own, with the user and the database `postgres`."""
    pytest.importorskip("psycopg")
    if programs() is None:
        pytest.skip("PostgreSQL's programs (initdb, pg_ctl) are not installed")
    # pytest's folders are closed to the user that the server runs as.
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder)) as port:
        yield port
