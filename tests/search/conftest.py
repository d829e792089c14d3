"""Shared by the tests of the search: a PostgreSQL server for as long as the tests last."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres_server import programs, running_server


@pytest.fixture(scope="session")
def postgres() -> Iterator[int]:
    """The port of a server of one's own, with the user and the database `postgres`."""
    pytest.importorskip("psycopg")
    if programs() is None:
        pytest.skip("PostgreSQL's programs (initdb, pg_ctl) are not installed")
    # pytest's folders are closed to the user that the server runs as.
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder)) as port:
        yield port
