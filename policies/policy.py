"""What one policy file holds once it is checked: its rules by action, its stores, and the cases written with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from policies.rules import Rule
from schema.vocabulary import ActionKind, ReasonCode, Verdict

#: Who approves where neither the rule nor the policy says.
DEFAULT_APPROVER = "support-lead"
#: Hours an approval is waited for where neither the rule nor the policy says.
DEFAULT_EXPIRES_HOURS = 72


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a case expects; what is None is not compared."""

    verdict: Verdict
    rule: str | None = None
    code: ReasonCode | None = None
    fee: str | None = None
    shadow: str | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One written example: facts, a request, and the answer that is expected."""

    name: str
    now: datetime
    store: str
    kind: ActionKind
    #: Facts by name, requests among them; what is left out takes its example value.
    given: Mapping[str, Any]
    expect: Expectation
    line: int


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """One checked file."""

    name: str
    #: SHA-256 of the file, in hexadecimal.
    digest: str
    file: str
    stores: tuple[str, ...]
    rules: tuple[Rule, ...]
    cases: tuple[Case, ...] = ()
    approver: str = DEFAULT_APPROVER
    expires_hours: int = DEFAULT_EXPIRES_HOURS
    #: Rules by action, in the order of the file.
    by_kind: Mapping[ActionKind, tuple[Rule, ...]] = field(default_factory=dict)

    #: The same without those in shadow mode.
    in_force: Mapping[ActionKind, tuple[Rule, ...]] = field(default_factory=dict)
    #: The actions of which a rule asks for lines.
    of_lines: frozenset[ActionKind] = field(init=False, default=frozenset())

    def __post_init__(self) -> None:
        kinds = [kind for kind, rules in self.by_kind.items() if any(rule.per_line for rule in rules)]
        object.__setattr__(self, "of_lines", frozenset(kinds))

    def rules_of(self, kind: ActionKind, on_trial: bool = True) -> tuple[Rule, ...]:
        """The rules of an action, in the order of the file; those in shadow mode only if wanted."""
        return (self.by_kind if on_trial else self.in_force).get(kind, ())
