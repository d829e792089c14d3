"""A study's database at a URL, as Optuna opens it, told to say clearly and soon when it is away.

    storage = open_database("postgresql://me:secret@host/studies")

- A connection that was dropped is not used again: each is looked at before a transaction.
- A connection that does not come into being within `CONNECT_S` is given up.
- A connection that gives no answer is given up: by psycopg and by MySQL's drivers after `ANSWER_S`. With
  psycopg2 the operating system does so, after `ANSWER_S` in which nobody acknowledges what was sent; a
  server that acknowledges and is silent can hold it for ever.
- What is in the URL (`?connect_timeout=3`) counts more than these.
- Such an error is raised as an `Outage`. Optuna itself would try to make a trial up to five times, and where
  only the answer was lost there would be several.
"""

from typing import Any

import sqlalchemy
from optuna.storages import RDBStorage
from sqlalchemy import event
from sqlalchemy.dialects import plugins
from sqlalchemy.engine import URL, CreateEnginePlugin, Engine, ExceptionContext

from tuner.search.outage import Outage, first_line, is_broken_off

CONNECT_S = 10
ANSWER_S = 30
"""Also in `tuner.search.postgres`, which is imported for psycopg only."""

_LIBPQ = {
    "connect_timeout": CONNECT_S,
    "tcp_user_timeout": 1000 * ANSWER_S,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
}
_MYSQL = {"connect_timeout": CONNECT_S, "read_timeout": ANSWER_S, "write_timeout": ANSWER_S}
_TIMEOUTS: dict[str, dict[str, int]] = {
    "psycopg": _LIBPQ,
    "psycopg2": _LIBPQ,
    "pymysql": _MYSQL,
    "mysqldb": _MYSQL,
}
"""By SQLAlchemy's name of the driver; in the driver's words and units."""


def open_database(url: str) -> RDBStorage:
    """Raises what SQLAlchemy raises where the URL is none, and ImportError where a driver is missing."""
    parsed = sqlalchemy.engine.make_url(url)
    timeouts = _TIMEOUTS.get(parsed.get_dialect().driver, {})
    given = {name: value for name, value in timeouts.items() if name not in parsed.query}
    return RDBStorage(url, {"pool_pre_ping": True, "connect_args": given, "plugins": [_PLUGIN]})


def shown(url: str) -> str:
    """The URL without its password."""
    try:
        return sqlalchemy.engine.make_url(url).render_as_string(hide_password=True)
    except sqlalchemy.exc.ArgumentError:
        return "it"


class _Outages(CreateEnginePlugin):
    """Listens to the engine before its first connection."""

    def update_url(self, url: URL) -> URL:
        """It has no options of its own in there."""
        return url

    def engine_created(self, engine: Engine) -> None:
        event.listen(engine, "handle_error", _raise_outage)
        if engine.dialect.driver == "psycopg":
            event.listen(engine, "do_connect", _connect_with_psycopg)


_PLUGIN = "tuner"
plugins.register(_PLUGIN, __name__, _Outages.__name__)


def _raise_outage(context: ExceptionContext) -> None:
    # What a look at a pooled connection finds is the pool's own business.
    if not context.is_pre_ping and is_broken_off(context.sqlalchemy_exception):
        raise Outage(first_line(context.original_exception))


def _connect_with_psycopg(dialect: Any, record: Any, arguments: list[Any], options: dict[str, Any]) -> Any:
    # Only here is it certain that psycopg is installed.
    from tuner.search.postgres import ImpatientConnection

    return ImpatientConnection.connect(*arguments, **options)
