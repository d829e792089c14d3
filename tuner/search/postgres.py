"""A connection of psycopg's that gives up waiting. Imported where psycopg is what a URL asks for."""

import time
from collections.abc import Generator
from typing import Any, TypeVar

from psycopg import Connection, OperationalError

_Result = TypeVar("_Result")


class ImpatientConnection(Connection[Any]):
    """Closes itself and raises OperationalError where the server gives no answer for `answer_s` seconds.

    PostgreSQL's own `statement_timeout` ends statements only while the server is there to do so.
    """

    answer_s = 30.0

    def wait(self, gen: Generator[Any, Any, _Result], *arguments: Any, **options: Any) -> _Result:
        """Of all that psycopg sends and receives, but for the connecting."""
        return super().wait(self._within(gen), *arguments, **options)

    def _within(self, gen: Generator[Any, Any, _Result]) -> Generator[Any, Any, _Result]:
        """Passes on what psycopg yields; it sends 0 several times a second while nothing comes."""
        ends_s = time.monotonic() + self.answer_s
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() >= ends_s:
                    self.close()
                    raise OperationalError(f"no answer within {self.answer_s:g} s")
                wanted = gen.send(ready)
        except StopIteration as end:
            result: _Result = end.value
            return result
