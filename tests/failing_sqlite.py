"""SQLite as a database that can be away: what a test of outages needs no server for."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy
from sqlalchemy import event


class FailingSqlite:
    """SQLite's driver with a network in between: one statement or commit from now on fails, or all do.

    `fail_at(n)`: the n-th from now on, of those that hold the text `kind`; before it is done, or, with
    `is_lost_answer`, after.
    """

    def __init__(self) -> None:
        self.num_calls = 0
        self.is_away = False
        self._num_left: int | None = None
        self._kind = ""
        self._is_lost_answer = False

    def fail_at(self, num_calls: int, *, is_lost_answer: bool, kind: str = "") -> None:
        self._num_left, self._is_lost_answer, self._kind = num_calls, is_lost_answer, kind

    def mend(self) -> None:
        self._num_left, self.is_away = None, False

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """All connections that are made in the block are such."""
        event.listen(sqlalchemy.Engine, "do_connect", self._connect)
        try:
            yield
        finally:
            event.remove(sqlalchemy.Engine, "do_connect", self._connect)

    def passes(self, call: Any, *arguments: Any) -> Any:
        self.num_calls += 1
        is_now = self.is_away or self._is_counted_down(*arguments)
        if is_now and not self._is_lost_answer:
            raise sqlite3.OperationalError("it is away")
        result = call(*arguments)
        if is_now:
            raise sqlite3.OperationalError("its answer was lost")
        return result

    def _is_counted_down(self, *arguments: Any) -> bool:
        if self._num_left is None or self._kind not in "".join(arguments[:1]):
            return False
        self._num_left -= 1
        return self._num_left == 0

    def _connect(self, dialect: Any, record: Any, arguments: list[Any], options: dict[str, Any]) -> Any:
        if self.is_away:
            raise sqlite3.OperationalError("it is away")
        network = self

        class Cursor(sqlite3.Cursor):
            def execute(self, *arguments: Any) -> Any:
                return network.passes(super().execute, *arguments)

        class Connection(sqlite3.Connection):
            def cursor(self, *arguments: Any) -> Any:
                return super().cursor(Cursor)

            def commit(self) -> None:
                network.passes(super().commit)

        connection = sqlite3.connect(*arguments, factory=Connection, **options)
        sqlite3.Connection.execute(connection, "PRAGMA synchronous = OFF")
        return connection
