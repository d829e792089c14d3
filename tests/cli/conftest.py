"""The command line as a fixture."""

import pytest
from cli_program import Program
from cli_program import program as make_program


@pytest.fixture
def program(capfd: pytest.CaptureFixture[str]) -> Program:
    return make_program(capfd)
