"""One warm gang of each size for all tests of this folder."""

from contextlib import ExitStack

import pytest
from training_gang import rank_processes


@pytest.fixture(scope="session")
def gangs(tmp_path_factory):
    """`gangs(num_ranks)`: warm rank processes, started at their first use."""
    folder = tmp_path_factory.mktemp("gangs")
    started = {}
    with ExitStack() as stack:

        def gang(num_ranks: int):
            if num_ranks not in started:
                started[num_ranks] = stack.enter_context(rank_processes(num_ranks, folder))
            return started[num_ranks]

        yield gang
