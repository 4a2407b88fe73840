"""How an older ledger is brought to today's layout, step by step, without losing a row."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

#: The last step there is; the number of today's layout.
HEAD = "head"


def upgrade(connection: Connection, layout: int, to: str = HEAD) -> None:
    """Change the tables, inside the connection's own transaction. `layout`: what they are now; 0: there are none."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    if layout == 1:
        _mark_first(connection)
    command.upgrade(config, to)


def _mark_first(connection: Connection) -> None:
    """The first layout was made without a mark of this tool."""
    connection.execute(
        text(
            "CREATE TABLE IF NOT EXISTS alembic_version "
            "(version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
        )
    )
    if connection.execute(text("SELECT version_num FROM alembic_version")).first() is None:
        connection.execute(text("INSERT INTO alembic_version VALUES ('0001')"))
