"""Money is shared between nouns and requests, so nothing may ever change it."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("schema", "platforms", "policies", "actions", "resolvers", "gateway", "sandbox")
FIELDS = {"amount", "currency_code", "presentment", "shop"}


def test_no_line_of_the_product_changes_an_amount_of_money() -> None:
    found, looked_at = [], 0
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                looked_at += 1
                if node.attr in FIELDS and ast.unparse(node.value) not in ("self", "self.store"):
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert looked_at > 500
    assert found == []
