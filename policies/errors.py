"""How a mistake in a policy file is told: where it stands, what is wrong, and what was perhaps meant."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, order=True, slots=True)
class PolicyIssue:
    """One mistake, or one remark. Lines and columns count from 1; `str` is `file:line:column: message (hint)`."""

    file: str
    line: int
    column: int
    message: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class PolicyError(Exception):
    """Policy files that cannot be used; `issues` has every mistake found."""

    def __init__(self, issues: Iterable[PolicyIssue]) -> None:
        self.issues = tuple(sorted(set(issues)))
        super().__init__("\n".join(map(str, self.issues)))
