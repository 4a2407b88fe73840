"""Every line of the threat model names a test that is there, and the threats that must be answered are."""

from __future__ import annotations

import ast
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from policies.asked import Asked, History
from policies.processor import PolicyProcessor
from schema.actions import Actor, Viewer
from schema.vocabulary import ActionKind, ActorKind, AssuranceLevel, Verdict
from tests.policies.nouns import STORES, order
from tests.readme_blocks import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def rows() -> list[list[str]]:
    """The cells of each threat."""
    table = PAGE.partition("## Threats")[2].partition("## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_line_names_a_test_that_holds_it() -> None:
    assert len(rows()) >= 25
    for threat, answer, held in rows():
        assert threat
        assert answer
        assert NAMED.sub("", held).strip(" ,") == "", held
        assert NAMED.search(held), threat


@pytest.mark.parametrize(("file", "name"), sorted(set(NAMED.findall(PAGE))))
def test_a_named_test_is_there(file: str, name: str) -> None:
    module = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    there = {node.name for node in ast.walk(module) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    assert name in there


@pytest.mark.parametrize(
    "words",
    [
        "Key replay",
        "Session minting",
        "Folded letters",
        "unverified address",
        "Look-up enumeration",
        "Link walking",
        "claim unlocks a refund",
        "Fraud thresholds",
        "approves what they asked",
        "Personal data lies open in the ledger",
        "end up in logs",
        "guest's order",
        "widget's token is stolen",
    ],
)
def test_the_threat_is_answered(words: str) -> None:
    assert any(words in threat for threat, _, _ in rows())


RULES = """policy: who
stores: [us]
rules:
  - id: verified-only
    action: CANCEL_ORDER
    when: viewer.assurance == VERIFIED && viewer.kind == CUSTOMER
    then: ALLOW
  - id: leads
    action: CANCEL_ORDER
    when: '"support-lead" in viewer.roles'
    then: ALLOW
"""


def test_a_rule_can_look_at_who_asks(tmp_path: Path) -> None:
    (tmp_path / "who.yaml").write_text(RULES)
    policy = PolicyProcessor.load(tmp_path, {"us": STORES["us"]})
    bought = order()
    asked = Asked(kind=ActionKind.CANCEL_ORDER, store=STORES["us"], order=bought)

    def verdict(kind: ActorKind, assurance: AssuranceLevel, *roles: str) -> Verdict:
        viewer = Viewer(actor=Actor(kind=kind, name="x"), assurance=assurance, roles=list(roles))
        return policy.decide(asked, History(), viewer, datetime.now(UTC)).verdict

    assert verdict(ActorKind.CUSTOMER, AssuranceLevel.VERIFIED) is Verdict.ALLOW
    assert verdict(ActorKind.BOT, AssuranceLevel.VERIFIED) is Verdict.DENY
    assert verdict(ActorKind.CUSTOMER, AssuranceLevel.CLAIMED) is Verdict.DENY
    assert verdict(ActorKind.STAFF, AssuranceLevel.STAFF, "support") is Verdict.DENY
    assert verdict(ActorKind.STAFF, AssuranceLevel.STAFF, "support", "support-lead") is Verdict.ALLOW
