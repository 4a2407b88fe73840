"""The first layout: actions, their changes of state, and what is kept for platforms without returns or pauses."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_STATES = "'DENIED', 'AWAITING_APPROVAL', 'REJECTED', 'EXPIRED', 'RUNNING', 'PENDING', 'SUCCEEDED', 'FAILED', 'UNKNOWN'"
_KINDS = (
    "'CANCEL_ORDER', 'RETURN_ORDER', 'REFUND_ORDER', 'PAUSE_SUBSCRIPTION', 'RESUME_SUBSCRIPTION', 'CANCEL_SUBSCRIPTION'"
)
_MOVES = (
    "'AWAITING_APPROVAL>DENIED', 'AWAITING_APPROVAL>EXPIRED', 'AWAITING_APPROVAL>REJECTED', "
    "'AWAITING_APPROVAL>RUNNING', 'PENDING>FAILED', 'PENDING>SUCCEEDED', 'PENDING>UNKNOWN', 'RUNNING>FAILED', "
    "'RUNNING>PENDING', 'RUNNING>SUCCEEDED', 'RUNNING>UNKNOWN', 'UNKNOWN>FAILED', 'UNKNOWN>RUNNING', "
    "'UNKNOWN>SUCCEEDED'"
)


def _instant(name: str, *, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def upgrade() -> None:
    """Make the tables. Only SQLite was written to then, so only it had triggers."""
    op.create_table("ledger_layout", sa.Column("version", sa.Integer, primary_key=True, autoincrement=False))
    op.create_table(
        "actions",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("store", sa.String(31), nullable=False),
        sa.Column("target", sa.String(512), nullable=False),
        sa.Column("owner_hash", sa.String(64)),
        sa.Column("client", sa.String(200), nullable=False),
        sa.Column("key_hash", sa.String(64), unique=True),
        sa.Column("input_hash", sa.String(64), nullable=False),
        sa.Column("request", sa.JSON, nullable=False),
        sa.Column("decision", sa.JSON),
        sa.Column("quote", sa.JSON),
        sa.Column("amount", sa.String(40)),
        sa.Column("currency", sa.String(3)),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("policy", sa.String(128)),
        sa.Column("problem", sa.JSON),
        sa.Column("reference", sa.String(512)),
        sa.Column("job", sa.Text),
        sa.Column("note", sa.Text),
        sa.Column("required_role", sa.String(100)),
        _instant("requested_at", nullable=False),
        _instant("expires_at"),
        _instant("finished_at"),
        _instant("sent_at"),
        _instant("last_sent_at"),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("looks", sa.Integer, nullable=False),
        _instant("next_try_at"),
        _instant("reconcile_by"),
        sa.Column("owner", sa.String(120)),
        _instant("lease_until"),
        sa.CheckConstraint(f"state IN ({_STATES})", name="actions_state"),
        sa.CheckConstraint(f"kind IN ({_KINDS})", name="actions_kind"),
    )
    op.create_index("actions_newest", "actions", ["requested_at", "id"])
    op.create_index("actions_of_owner", "actions", ["owner_hash", "requested_at"])
    op.create_index("actions_on_target", "actions", ["target"])
    op.create_index("actions_due", "actions", ["state", "next_try_at"])
    op.execute(
        "CREATE UNIQUE INDEX actions_one_active_on_a_target ON actions (target) "
        "WHERE state IN ('AWAITING_APPROVAL', 'PENDING', 'RUNNING', 'UNKNOWN')"
    )
    op.create_table(
        "transitions",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("action", sa.String(36), sa.ForeignKey("actions.id"), nullable=False, index=True),
        sa.Column("before", sa.String(32)),
        sa.Column("after", sa.String(32), nullable=False),
        _instant("at", nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.CheckConstraint(f"after IN ({_STATES})", name="transitions_after"),
    )
    op.create_table(
        "held_returns",
        sa.Column("action", sa.String(36), sa.ForeignKey("actions.id"), primary_key=True),
        sa.Column("store", sa.String(31), nullable=False),
        sa.Column("order", sa.String(255), nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("resolution", sa.String(32), nullable=False),
        sa.Column("fees", sa.JSON, nullable=False),
        _instant("requested_at", nullable=False),
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
    op.create_table(
        "pauses",
        sa.Column("store", sa.String(31), primary_key=True),
        sa.Column("subscription", sa.String(255), primary_key=True),
        sa.Column("action", sa.String(36), sa.ForeignKey("actions.id"), nullable=False),
        sa.Column("until", sa.Date, nullable=False),
        sa.Column("billing_before", sa.Date),
    )
    if op.get_bind().dialect.name == "sqlite":
        for trigger in (
            "actions_legal_move BEFORE UPDATE OF state ON actions "
            f"WHEN OLD.state || '>' || NEW.state NOT IN ({_MOVES}) "
            "BEGIN SELECT RAISE(ABORT, 'no action makes this move'); END",
            "actions_legal_start BEFORE INSERT ON actions "
            "WHEN NEW.state NOT IN ('AWAITING_APPROVAL', 'DENIED', 'RUNNING') "
            "BEGIN SELECT RAISE(ABORT, 'no action begins so'); END",
            "transitions_stay BEFORE UPDATE ON transitions "
            "BEGIN SELECT RAISE(ABORT, 'transitions are only added'); END",
            "transitions_remain BEFORE DELETE ON transitions "
            "BEGIN SELECT RAISE(ABORT, 'transitions are only added'); END",
        ):
            op.execute(f"CREATE TRIGGER {trigger}")
    op.execute("INSERT INTO ledger_layout (version) VALUES (1)")
