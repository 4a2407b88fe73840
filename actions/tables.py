"""How the ledger is laid out in a relational database, in types that every database has."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    JSON,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from actions.states import ACTIVE
from schema.vocabulary import ActionKind, ActionState, ReturnStatus

#: The layout below. A database with a greater number was written by a newer gateway.
VERSION = 2


class Instant(TypeDecorator[datetime]):
    """An aware instant; UTC in the database, and read back aware from those that drop the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs a zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _words(column: str, words: type[ActionState] | type[ActionKind] | type[ReturnStatus]) -> str:
    return f"{column} IN ({', '.join(repr(word.value) for word in words)})"


metadata = MetaData()

layout = Table("ledger_layout", metadata, Column("version", Integer, primary_key=True, autoincrement=False))
#: The same for the tool that brings an older layout up to this one.
revisions = Table(
    "alembic_version",
    metadata,
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)

actions = Table(
    "actions",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("state", String(32), nullable=False),
    Column("store", String(31), nullable=False),
    #: The id of the order or subscription, as the API writes it.
    Column("target", String(512), nullable=False),
    #: Keyed hash of the address of the target's owner.
    Column("owner_hash", String(64)),
    Column("client", String(200), nullable=False),
    #: Keyed hash of namespace and idempotency key; null once the key is free again.
    Column("key_hash", String(64), unique=True),
    Column("input_hash", String(64), nullable=False),
    Column("request", JSON, nullable=False),
    #: The facts it was decided on, as `policies` writes them down, so that it can be decided again under other rules.
    Column("facts", JSON(none_as_null=True)),
    Column("decision", JSON(none_as_null=True)),
    Column("quote", JSON(none_as_null=True)),
    #: What it gives back to the customer, for the counters; a decimal number as text.
    Column("amount", String(40)),
    Column("currency", String(3)),
    Column("summary", Text, nullable=False),
    #: Who asked, sealed.
    Column("actor", Text, nullable=False),
    #: Keyed hashes of everybody behind the asking: none of them may approve it.
    Column("askers", JSON(none_as_null=True)),
    #: Who agreed to it or turned it down, sealed, with the words they gave for it, sealed too.
    Column("approver", Text),
    Column("approval_note", Text),
    #: Digest of the policy that decided.
    Column("policy", String(128)),
    Column("problem", JSON(none_as_null=True)),
    #: The platform's own id of what was made.
    Column("reference", String(512)),
    Column("job", Text),
    Column("note", Text),
    Column("required_role", String(100)),
    Column("requested_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("finished_at", Instant),
    #: When it may first have reached the platform, and when last.
    Column("sent_at", Instant),
    Column("last_sent_at", Instant),
    #: How often it may have been sent.
    Column("attempts", Integer, nullable=False, default=0),
    #: How often the platform was asked what came of it, since it was last sent.
    Column("looks", Integer, nullable=False, default=0),
    Column("next_try_at", Instant),
    Column("reconcile_by", Instant),
    #: Which claim of which gateway works on it, and until when nobody else may.
    Column("owner", String(120)),
    Column("lease_until", Instant),
    #: When everything personal was taken out of the row: what is left is a tombstone, by which the key still answers.
    Column("forgotten_at", Instant),
    CheckConstraint(_words("state", ActionState), name="actions_state"),
    CheckConstraint(_words("kind", ActionKind), name="actions_kind"),
    Index("actions_newest", "requested_at", "id"),
    Index("actions_of_owner", "owner_hash", "requested_at"),
    Index("actions_on_target", "target"),
    Index("actions_due", "state", "next_try_at"),
)

# Partial indexes say so for SQLite alone: to name another dialect here would load it. `actions.postgres` knows.
_one_active = actions.c.state.in_(sorted(state.value for state in ACTIVE))
Index(
    "actions_one_active_on_a_target",
    actions.c.target,
    unique=True,
    sqlite_where=_one_active,
)

#: What retention has still to look at.
Index("actions_kept", actions.c.finished_at, sqlite_where=actions.c.forgotten_at.is_(None))

#: Only ever added to, but for a name that is taken out.
transitions = Table(
    "transitions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("action", String(36), ForeignKey("actions.id"), nullable=False, index=True),
    Column("before", String(32)),
    Column("after", String(32), nullable=False),
    Column("at", Instant, nullable=False),
    #: Who or which gateway, sealed.
    Column("by", Text, nullable=False),
    CheckConstraint(_words("after", ActionState), name="transitions_after"),
)

#: Returns of platforms that keep no returns.
held_returns = Table(
    "held_returns",
    metadata,
    Column("action", String(36), ForeignKey("actions.id"), primary_key=True),
    Column("store", String(31), nullable=False),
    #: The platform's own id of the order.
    Column("order", String(255), nullable=False),
    Column("status", String(32), nullable=False),
    Column("resolution", String(32), nullable=False),
    Column("fees", JSON, nullable=False),
    Column("requested_at", Instant, nullable=False),
    Column("closed_at", Instant),
    #: The action that paid for it.
    Column("refunded_by", String(36), ForeignKey("actions.id")),
    CheckConstraint(_words("status", ReturnStatus), name="held_returns_status"),
    Index("held_returns_of_order", "store", "order"),
)
#: Only ever added to, but for a name that is taken out.
held_return_moves = Table(
    "held_return_moves",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("action", String(36), ForeignKey("held_returns.action"), nullable=False, index=True),
    Column("after", String(32), nullable=False),
    Column("at", Instant, nullable=False),
    #: Who, sealed.
    Column("by", Text, nullable=False),
    CheckConstraint(_words("after", ReturnStatus), name="held_return_moves_after"),
)
held_return_lines = Table(
    "held_return_lines",
    metadata,
    Column("action", String(36), ForeignKey("held_returns.action"), primary_key=True),
    #: The platform's own id of the order's line.
    Column("line", String(255), primary_key=True),
    Column("quantity", Integer, nullable=False),
    Column("reason", String(32), nullable=False),
    Column("condition", String(32)),
    Column("note", Text),
)

#: What somebody outside is to be told of, until they have taken it.
notices = Table(
    "notices",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("action", String(36), ForeignKey("actions.id"), nullable=False, index=True),
    #: What happened, as the receiver reads it: `action.awaiting_approval`.
    Column("event", String(64), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    #: Null once it was taken, or given up.
    Column("next_try_at", Instant),
    Column("delivered_at", Instant),
    Column("owner", String(120)),
    Column("lease_until", Instant),
    Index("notices_due", "next_try_at"),
)

#: Pauses of platforms that have no word for a pause.
pauses = Table(
    "pauses",
    metadata,
    Column("store", String(31), primary_key=True),
    #: The platform's own id of the subscription.
    Column("subscription", String(255), primary_key=True),
    Column("action", String(36), ForeignKey("actions.id"), nullable=False),
    Column("until", Date, nullable=False),
    #: When it would have billed without the pause.
    Column("billing_before", Date),
)
