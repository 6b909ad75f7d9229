"""The tables in PostgreSQL, through a small pool of connections."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from agents.store.database import SCHEMA, Rows
from agents.store.reading_tables import READING_TABLES
from recsys_core.errors import ConfigError

if TYPE_CHECKING:
    from psycopg import Connection

CONNECT_SECONDS = 10.0
"""How long opening waits for the first connection."""
_MOST_CONNECTIONS = 4
_TABLES = ("threads", "feedback", "seen", "facts", *READING_TABLES)
# two processes that start at the same time would make the same tables
_MAKING_TABLES = 5_194_071_226


def place_of(url: str) -> str:
    """Host, port and name of the database, without user and password.

    Raises:
        ConfigError: the address can't be read.
    """
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        # the library's words may repeat the address, and with it the password
        raise ConfigError(
            "SIDRA_DATABASE_URL is no PostgreSQL address; write postgresql://user:password@host:5432/name"
        ) from None
    return f"PostgreSQL at {parts.get('host', 'the local socket')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"


def unreachable(url: str, error: Exception) -> ConfigError:
    """The error of a database that doesn't answer; names it without its password."""
    return ConfigError(
        f"{place_of(url)} (SIDRA_DATABASE_URL) does not answer or refuses ({type(error).__name__}); start it, or "
        "correct the address, or unset the variable to keep conversations in SQLite"
    )


class PostgresDatabase:
    """One database, at most four connections; every block is a transaction.

    Args:
        url: `postgresql://user:password@host:port/name`.

    Raises:
        ConfigError: it can't be reached or the tables can't be made.
    """

    def __init__(self, url: str) -> None:
        import psycopg
        from psycopg_pool import ConnectionPool, PoolTimeout

        self.place = place_of(url)
        self._pool = ConnectionPool(
            url,
            min_size=1,
            max_size=_MOST_CONNECTIONS,
            open=False,
            kwargs={"autocommit": True, "connect_timeout": int(CONNECT_SECONDS)},
            # a server that was started again is noticed before a statement fails
            check=ConnectionPool.check_connection,
        )
        try:
            self._pool.open(wait=True, timeout=CONNECT_SECONDS)
            with self._pool.connection() as connection, connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (_MAKING_TABLES,))
                for statement in SCHEMA:
                    connection.execute(statement)
        except (psycopg.Error, PoolTimeout) as error:
            self._pool.close()
            raise unreachable(url, error) from None

    @contextmanager
    def transaction(self) -> Iterator[_Statements]:
        """Statements inside a transaction; rolled back when the block raises."""
        with self._pool.connection() as connection, connection.transaction():
            yield _Statements(connection)

    def scrub(self) -> None:
        """Have the server free the rows that were deleted; its own logs and backups are its keeper's."""
        with self._pool.connection() as connection:
            for table in _TABLES:
                connection.execute(f"VACUUM {table}")

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()


class _Statements:
    """Takes statements with `?`, as SQLite does."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection

    def execute(self, sql: str, values: Sequence[Any] = ()) -> Rows:
        """Run one statement."""
        return self._connection.execute(_with_psycopg_marks(sql), [_storable(value) for value in values])

    def executemany(self, sql: str, values: Iterable[Sequence[Any]]) -> None:
        """Run one statement for each row."""
        with self._connection.cursor() as cursor:
            cursor.executemany(_with_psycopg_marks(sql), [[_storable(part) for part in row] for row in values])


def _with_psycopg_marks(sql: str) -> Any:
    return sql.replace("?", "%s")


def _storable(value: Any) -> Any:
    """Text without the NUL character and lone surrogates, which PostgreSQL can't hold."""
    if isinstance(value, str):
        return value.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
    return value
