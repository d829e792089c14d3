"""What a rank says where its log takes nothing."""

import io
import sys

from tuner.training.logged import flush, say, say_error


class Full(io.StringIO):
    def write(self, text):
        raise OSError(28, "No space left on device")

    def flush(self):
        self.write("")


def test_a_log_that_takes_nothing_ends_nothing(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Full())
    say("a line")
    flush()
    try:
        raise ValueError("an error")
    except ValueError:
        say_error()


def test_what_is_said(capfd):
    say("a line")
    try:
        raise ValueError("an error")
    except ValueError:
        say_error()
    said = capfd.readouterr().err
    assert said.startswith("a line\nTraceback")
    assert said.endswith("ValueError: an error\n")
