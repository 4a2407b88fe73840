"""The second layout: facts, approvals, held returns that move on, notices, tombstones; triggers on PostgreSQL too."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_RETURNS = "'REQUESTED', 'APPROVED', 'DECLINED', 'CANCELLED', 'IN_TRANSIT', 'RECEIVED', 'CLOSED', 'UNKNOWN'"  # statuses
_MOVES = (
    "'AWAITING_APPROVAL>DENIED', 'AWAITING_APPROVAL>EXPIRED', 'AWAITING_APPROVAL>REJECTED', "
    "'AWAITING_APPROVAL>RUNNING', 'PENDING>FAILED', 'PENDING>SUCCEEDED', 'PENDING>UNKNOWN', 'RUNNING>FAILED', "
    "'RUNNING>PENDING', 'RUNNING>SUCCEEDED', 'RUNNING>UNKNOWN', 'UNKNOWN>FAILED', 'UNKNOWN>RUNNING', "
    "'UNKNOWN>SUCCEEDED'"
)
_FIRST = "'AWAITING_APPROVAL', 'DENIED', 'RUNNING'"
#: What of a row that is only added to may never change.
_FIXED = {
    "transitions": ("id", "action", "before", "after", "at"),
    "held_return_moves": ("id", "action", "after", "at"),
}


def _instant(name: str, *, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    """Add what is new; every row stays as it is."""
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    for column in (
        sa.Column("facts", sa.JSON),
        sa.Column("askers", sa.JSON),
        sa.Column("approver", sa.Text),
        sa.Column("approval_note", sa.Text),
        _instant("forgotten_at"),
    ):
        op.add_column("actions", column)
    op.execute("CREATE INDEX actions_kept ON actions (finished_at) WHERE forgotten_at IS NULL")
    if on_sqlite:
        _held_returns_made_anew()
    else:
        op.add_column("held_returns", _instant("closed_at"))
        op.add_column("held_returns", sa.Column("refunded_by", sa.String(36)))
        op.create_foreign_key("held_returns_refunded_by_fkey", "held_returns", "actions", ["refunded_by"], ["id"])
        op.create_check_constraint("held_returns_status", "held_returns", f"status IN ({_RETURNS})")
    op.create_table(
        "held_return_moves",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("action", sa.String(36), sa.ForeignKey("held_returns.action"), nullable=False, index=True),
        sa.Column("after", sa.String(32), nullable=False),
        _instant("at", nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.CheckConstraint(f"after IN ({_RETURNS})", name="held_return_moves_after"),
    )
    op.create_table(
        "notices",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("action", sa.String(36), sa.ForeignKey("actions.id"), nullable=False, index=True),
        sa.Column("event", sa.String(64), nullable=False),
        _instant("created_at", nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        _instant("next_try_at"),
        _instant("delivered_at"),
        sa.Column("owner", sa.String(120)),
        _instant("lease_until"),
    )
    op.create_index("notices_due", "notices", ["next_try_at"])
    if on_sqlite:
        _triggers_of_sqlite()
    else:
        _triggers_of_postgresql()
    op.execute("UPDATE ledger_layout SET version = 2")


def _held_returns_made_anew() -> None:
    """SQLite adds no constraint to a table that is there, and lets none go that another points to."""
    for name in ("held_returns", "held_return_lines"):
        op.execute(f"CREATE TEMPORARY TABLE kept_{name} AS SELECT * FROM {name}")
    op.drop_table("held_return_lines")
    op.drop_table("held_returns")
    op.create_table(
        "held_returns",
        sa.Column("action", sa.String(36), sa.ForeignKey("actions.id"), primary_key=True),
        sa.Column("store", sa.String(31), nullable=False),
        sa.Column("order", sa.String(255), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("resolution", sa.String(32), nullable=False),
        sa.Column("fees", sa.JSON, nullable=False),
        _instant("requested_at", nullable=False),
        _instant("closed_at"),
        sa.Column("refunded_by", sa.String(36), sa.ForeignKey("actions.id")),
        sa.CheckConstraint(f"status IN ({_RETURNS})", name="held_returns_status"),
    )
    op.create_index("held_returns_of_order", "held_returns", ["store", "order"])
    op.create_table(
        "held_return_lines",
        sa.Column("action", sa.String(36), sa.ForeignKey("held_returns.action"), primary_key=True),
        sa.Column("line", sa.String(255), primary_key=True),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.Column("reason", sa.String(32), nullable=False),
        sa.Column("condition", sa.String(32)),
        sa.Column("note", sa.Text),
    )
    for name, columns in (
        ("held_returns", 'action, store, "order", status, resolution, fees, requested_at'),
        ("held_return_lines", "action, line, quantity, reason, condition, note"),
    ):
        op.execute(f"INSERT INTO {name} ({columns}) SELECT {columns} FROM kept_{name}")
        op.execute(f"DROP TABLE kept_{name}")


def _triggers_of_sqlite() -> None:
    op.execute("DROP TRIGGER transitions_stay")
    for table, fixed in _FIXED.items():
        same = " AND ".join(f'NEW."{column}" IS OLD."{column}"' for column in fixed)
        op.execute(
            f"CREATE TRIGGER {table}_stay BEFORE UPDATE ON {table} WHEN NOT (NEW.\"by\" = '' AND {same}) "
            f"BEGIN SELECT RAISE(ABORT, '{table} are only added'); END"
        )
    op.execute(
        "CREATE TRIGGER held_return_moves_remain BEFORE DELETE ON held_return_moves "
        "BEGIN SELECT RAISE(ABORT, 'held_return_moves are only added'); END"
    )


def _triggers_of_postgresql() -> None:
    _refusal("actions_legal_move", f"OLD.state || '>' || NEW.state NOT IN ({_MOVES})", "no action makes this move")
    _refusal("actions_legal_start", f"NEW.state NOT IN ({_FIRST})", "no action begins so")
    for name, when in (("actions_legal_move", "UPDATE OF state"), ("actions_legal_start", "INSERT")):
        op.execute(f"CREATE TRIGGER {name} BEFORE {when} ON actions FOR EACH ROW EXECUTE FUNCTION {name}()")
    for table, fixed in _FIXED.items():
        same = " AND ".join(f'NEW."{column}" IS NOT DISTINCT FROM OLD."{column}"' for column in fixed)
        says = f"{table} are only added"
        _refusal(f"{table}_stay", f"NOT (NEW.\"by\" = '' AND {same})", says)
        _refusal(f"{table}_remain", "TRUE", says)
        for name, when, function in (
            ("stay", f"UPDATE ON {table} FOR EACH ROW", "stay"),
            ("remain", f"DELETE ON {table} FOR EACH ROW", "remain"),
            ("remain_all", f"TRUNCATE ON {table}", "remain"),
        ):
            op.execute(f"CREATE TRIGGER {table}_{name} BEFORE {when} EXECUTE FUNCTION {table}_{function}()")


def _refusal(name: str, condition: str, says: str) -> None:
    op.execute(
        f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF {condition} THEN "
        f"RAISE EXCEPTION '{says}' USING ERRCODE = 'integrity_constraint_violation'; END IF; RETURN NEW; END $$"
    )
