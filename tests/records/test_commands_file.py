"""`commands.jsonl` and its answers: what is read of it, and when."""

import json
import threading

import pytest

from tuner.errors import ResultsError, StorageError
from tuner.records.commands import Answer, Command, Inbox, ask, send
from tuner.records.lock import hold
from tuner.records.paths import ExperimentPaths


def test_each_command_is_given_once_and_half_a_line_when_it_is_whole(tmp_path):
    inbox = Inbox(tmp_path / "commands.jsonl")
    assert list(inbox.new()) == []
    command = Command("stop", trial=3)
    send(tmp_path / "commands.jsonl", command)
    assert list(inbox.new()) == [command]
    assert list(inbox.new()) == []
    line = json.dumps(vars(Command("enqueue", params={"x": "ö"}, key="k"))).encode() + b"\n"
    with (tmp_path / "commands.jsonl").open("ab", buffering=0) as file:
        file.write(line[:-9])
        assert list(inbox.new()) == []
        file.write(line[-9:])
    assert list(inbox.new()) == [Command("enqueue", params={"x": "ö"}, key="k")]


def test_a_torn_command_harms_no_other(tmp_path):
    (tmp_path / "commands.jsonl").write_text('{"key": "k", "na')
    send(tmp_path / "commands.jsonl", Command("stop", trial=3, key="whole"))
    assert list(Inbox(tmp_path / "commands.jsonl").new()) == [Command("stop", trial=3, key="whole")]


def test_a_disk_that_takes_no_command_is_an_error(tmp_path):
    with pytest.raises(StorageError, match=r"commands are given in .* cannot be written .*; set that right"):
        send(tmp_path / "none" / "commands.jsonl", Command("stop", trial=3))


@pytest.mark.parametrize(
    "line",
    [
        "",
        "garbage",
        "[]",
        "{}",
        '{"key": 3, "name": "stop"}',
        '{"key": "k"}',
        '{"key": "k", "name": "stop", "trial": "3"}',
        '{"key": "k", "name": "enqueue", "params": 3}',
        '{"key": "k", "name": "enqueue", "params": ["x"]}',
        "[" * 100_000,
    ],
)
def test_what_is_no_command_is_passed_over(tmp_path, line):
    (tmp_path / "commands.jsonl").write_text(f'{line}\n{{"key": "k", "name": "stop", "trial": 1}}\n')
    assert list(Inbox(tmp_path / "commands.jsonl").new()) == [Command("stop", trial=1, key="k")]


def answer(paths, **line):
    with paths.decisions.open("a") as file:
        file.write(json.dumps({"action": "COMMAND", **line}) + "\n")


def test_an_answer_is_that_of_the_command(tmp_path):
    paths = ExperimentPaths(tmp_path)
    answer(paths, key="k", is_done=False, reason="long ago")
    lock = hold(paths.lock, rule="", fix="")

    def search():
        inbox = Inbox(paths.commands)
        while not (commands := list(inbox.new())):
            pass
        answer(paths, key="another", is_done=False, reason="no")
        answer(paths, key=commands[0].key, is_done=True, reason="yes")

    thread = threading.Thread(target=search)
    thread.start()
    assert ask(paths, Command("stop", trial=3, key="k")) == Answer(True, "yes")
    thread.join()
    assert ask(paths, Command("stop", trial=3), wait_s=0.0) is None
    lock.release()


def test_where_nothing_runs_nobody_is_asked(tmp_path):
    paths = ExperimentPaths(tmp_path)
    with pytest.raises(ResultsError, match="only a search that runs can be told to stop"):
        ask(paths, Command("stop", trial=3))
    assert not paths.commands.exists()
