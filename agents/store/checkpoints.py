"""LangGraph's checkpoints, in SQLite or PostgreSQL; a finished turn keeps the newest only."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from langgraph.checkpoint.base import BaseCheckpointSaver

from agents.store.opening import DatabaseConfig, postgres_url
from recsys_core.errors import ConfigError

if TYPE_CHECKING:
    import aiosqlite
    from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

CHECKPOINTS_FILE = "conversations.sqlite"
"""Checkpoints, when SQLite keeps them."""
_TABLES = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")

# At DEBUG it writes every statement with its values into the log, and the values are what users said.
logging.getLogger("aiosqlite").setLevel(logging.INFO)


class Checkpoints(Protocol):
    """Where the state of threads is kept."""

    @property
    def saver(self) -> BaseCheckpointSaver[str]:
        """What the graph writes to."""
        ...

    async def prune(self, thread_id: str) -> None:
        """Keep a thread's newest checkpoint only: each holds all messages, so keeping all grows with the square."""
        ...

    async def drop(self, thread_id: str) -> None:
        """Delete all of a thread: every checkpoint, branch and pending write."""
        ...

    async def scrub(self) -> None:
        """Take what was deleted out of the files too, as far as the database can."""
        ...

    async def close(self) -> None:
        """Give the connections back."""
        ...


async def open_checkpoints(config: DatabaseConfig) -> Checkpoints:
    """The checkpoints.

    Raises:
        ConfigError: the file can't be opened, or the database can't be reached.
    """
    if config.url is None:
        return await SqliteCheckpoints.open(config.folder / CHECKPOINTS_FILE)
    return await PostgresCheckpoints.open(postgres_url(config.url))


class SqliteCheckpoints:
    """In one SQLite file."""

    def __init__(self, connection: aiosqlite.Connection, saver: AsyncSqliteSaver) -> None:
        self.saver = saver
        self._connection = connection

    @classmethod
    async def open(cls, path: Path) -> SqliteCheckpoints:
        """Open or make the file; raises ConfigError when it can't be."""
        import aiosqlite
        from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            connection = await aiosqlite.connect(path)
            saver = AsyncSqliteSaver(connection)
            await saver.setup()
            # in WAL mode this loses nothing when the process dies, and saves an fsync at each of a turn's checkpoints
            await connection.execute("PRAGMA synchronous=NORMAL")
            await connection.execute("PRAGMA secure_delete=ON")
        except (OSError, aiosqlite.Error) as error:
            raise ConfigError(
                f"cannot open the conversation store {path}: {error}; move the file away or mend it"
            ) from error
        return cls(connection, saver)

    async def prune(self, thread_id: str) -> None:
        """Keep a thread's newest checkpoint only."""
        newest = "(SELECT max(checkpoint_id) FROM checkpoints WHERE thread_id = :thread AND checkpoint_ns = '')"
        async with self.saver.lock:
            for table in ("writes", "checkpoints"):
                await self._connection.execute(
                    f"DELETE FROM {table} WHERE thread_id = :thread AND checkpoint_ns = '' "
                    f"AND checkpoint_id < {newest}",
                    {"thread": thread_id},
                )
            await self._connection.commit()

    async def drop(self, thread_id: str) -> None:
        """Delete all of a thread."""
        await self.saver.adelete_thread(thread_id)

    async def scrub(self) -> None:
        """Empty the write-ahead log; deleted rows are overwritten in the file as they are deleted."""
        async with self.saver.lock:
            await self._connection.commit()
            await self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    async def close(self) -> None:
        """Close the file."""
        await self._connection.close()


class PostgresCheckpoints:
    """In a PostgreSQL database."""

    def __init__(self, pool: Any, saver: AsyncPostgresSaver) -> None:
        self.saver = saver
        self._pool = pool

    @classmethod
    async def open(cls, url: str) -> PostgresCheckpoints:
        """Connect and make the tables; raises ConfigError when that fails."""
        import psycopg
        from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
        from psycopg.rows import dict_row
        from psycopg_pool import AsyncConnectionPool, PoolTimeout

        from agents.store.postgres import CONNECT_SECONDS, unreachable

        pool: Any = AsyncConnectionPool(
            url,
            min_size=1,
            max_size=4,
            open=False,
            kwargs={
                "autocommit": True,
                "prepare_threshold": 0,
                "row_factory": dict_row,
                "connect_timeout": int(CONNECT_SECONDS),
            },
            check=AsyncConnectionPool.check_connection,
        )
        try:
            await pool.open(wait=True, timeout=CONNECT_SECONDS)
            saver = AsyncPostgresSaver(pool)
            await saver.setup()
        except (psycopg.Error, PoolTimeout) as error:
            await pool.close()
            raise unreachable(url, error) from None
        return cls(pool, saver)

    async def prune(self, thread_id: str) -> None:
        """Keep a thread's newest checkpoint only."""
        await self.saver.aprune([thread_id], strategy="keep_latest")

    async def drop(self, thread_id: str) -> None:
        """Delete all of a thread."""
        await self.saver.adelete_thread(thread_id)

    async def scrub(self) -> None:
        """Have the server free the rows that were deleted; its own logs and backups are its keeper's."""
        async with self._pool.connection() as connection:
            for table in _TABLES:
                await connection.execute(f"VACUUM {table}")

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()
