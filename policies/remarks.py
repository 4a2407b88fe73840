"""What loads and is yet worth a second look: permissions that rest on the asker's word, actions nobody allows."""

from __future__ import annotations

from policies.conditions import Condition
from policies.errors import PolicyIssue
from policies.facts import ORDER_KINDS, SUBSCRIPTION_KINDS
from policies.policy import Policy
from policies.rules import Rule
from schema.vocabulary import ActionKind, Verdict


def remarks_on(policy: Policy) -> list[PolicyIssue]:
    """Each remark at the place of its rule."""
    found: list[PolicyIssue] = []
    for rule in policy.rules:
        for claim in _claims_that_open(rule):
            found.append(
                PolicyIssue(
                    policy.file,
                    rule.line,
                    1,
                    f"{rule.id}: what the asker says ({claim}) alone can turn a no into a yes",
                    "let a limit ask for REVIEW above an amount",
                )
            )
    for family in (ORDER_KINDS, SUBSCRIPTION_KINDS):
        allowed = {kind for kind in family if any(rule.grants for rule in policy.rules_of(kind))}
        for kind in (each for each in ActionKind if allowed and each in family - allowed):
            found.append(PolicyIssue(policy.file, 1, 1, f"no rule allows {kind.name}, so it is always refused"))
    return found


def _claims_that_open(rule: Rule) -> list[str]:
    """Claims that alone turn DENY into ALLOW: an exception from a refusal, or a condition of a permission."""
    if rule.shadow:
        return []
    looked_at: list[Condition | None] = []
    if rule.then is Verdict.DENY:
        looked_at.append(rule.unless)
    elif rule.then is Verdict.ALLOW:
        looked_at.append(rule.when)
        if rule.on_miss is Verdict.DENY and rule.terms is not None:
            looked_at.append(rule.unless)
    return list(dict.fromkeys(claim for each in looked_at if each is not None for claim in each.claims))
