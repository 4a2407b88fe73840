"""`aftersale policy replay` and `backtest`: what another policy would have said, and how mistakes are told."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from actions.ledger import Ledger, Record
from actions.recorded import decision_json, quote_json
from actions.tables import actions
from gateway.cli import app
from policies.asked import Asked
from policies.processor import PolicyProcessor
from schema.values import Money
from schema.vocabulary import ActionKind, ActionState
from tests.policies.nouns import NOBODY_YET, NOW, STAFF, STORES, Goods, ago, asked_return, load, order

CONFIG = """\
stores:
  us:
    {platform: shopify, shop: acme-us, time_zone: America/New_York, currency: USD, credentials: {token: "${TOKEN}"}}
  eu:
    {platform: shopify, shop: acme-eu, time_zone: Europe/Berlin, currency: EUR, credentials: {token: "${TOKEN}"}}
policies: old.yaml
database: sqlite:///ledger.db
api_keys: []
"""
SECRETS = {"TOKEN": "shpat_of-nobody", "AFTERSALE_SECRET": "0123456789abcdef0123456789abcdef"}
OLD = """\
policy: old
stores: [us, eu]
rules:
  - {id: returns, action: RETURN_ORDER, window: {days: 30, from: DELIVERED}}
  - {id: refunds, action: REFUND_ORDER, then: ALLOW}
"""
NEW = """\
policy: new
stores: [us]
rules:
  - {id: returns, action: RETURN_ORDER, window: {days: 14, from: DELIVERED}}
  - {id: refunds, action: REFUND_ORDER, then: ALLOW}
  - {id: cap, action: REFUND_ORDER, limit: {request: 20}, over: REVIEW, code: AMOUNT_OVER_LIMIT}
"""
AT = NOW.isoformat()
ACTION = "Action:00000000-0000-4000-8000-00000000000"


def _here(*words: str | Path) -> tuple[int, str, str]:
    found = CliRunner().invoke(app, [*map(str, words)], env={"COLUMNS": "250", "NO_COLOR": "1", **SECRETS})
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    return found.exit_code, found.stdout, found.stderr


def _record(policies: PolicyProcessor, number: int, what: Asked, days: int, *, with_facts: bool = True) -> Record:
    at = NOW - timedelta(days=days)
    decision = policies.decide_fully(what, NOBODY_YET, STAFF, at)
    quote = policies.quote(what, decision)
    return Record(
        id=f"00000000-0000-4000-8000-{number:012}",
        kind=what.kind,
        state=ActionState.DENIED,  # no row can be made in the state of a finished action; nobody looks at it here
        store=what.store.key,
        target=what.subject.id,
        client="desk",
        input_hash="x",
        request={},
        summary="something",
        actor="sealed",
        requested_at=at,
        facts=policies.recorded_facts(what, NOBODY_YET, STAFF, at) if with_facts else None,
        decision=decision_json(decision),
        quote=quote_json(quote) if quote is not None else None,
    )


def _refund(amount: str, key: str = "us") -> Asked:
    bought = order(Goods(price="80.00"), key=key)
    return Asked(ActionKind.REFUND_ORDER, STORES[key], order=bought, amount=Money.of(amount, STORES[key].currency_code))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose ledger has six actions of the last forty days, decided by the old policy."""
    path = tmp_path / "aftersale.yaml"
    path.write_text(CONFIG, "utf-8")
    (tmp_path / "new.yaml").write_text(NEW, "utf-8")
    old = load(OLD, tmp_path, "old.yaml")
    late = asked_return(order(Goods(delivered=ago(days=23))))
    records = [
        _record(old, 1, _refund("12.50"), 1),
        _record(old, 2, _refund("30.00"), 2),
        _record(old, 3, late, 3),
        _record(old, 4, _refund("40.00", "eu"), 4),
        _record(old, 5, _refund("50.00"), 5, with_facts=False),
        _record(old, 6, _refund("60.00"), 40),
    ]

    async def fill() -> None:
        ledger = Ledger(tmp_path / "ledger.db")
        await ledger.open()
        try:
            async with ledger.writing() as connection:
                await connection.execute(actions.insert(), [record.values() for record in records])
        finally:
            await ledger.close()

    asyncio.run(fill())
    return path


def test_recorded_actions_are_decided_again_and_flips_are_listed(config: Path) -> None:
    code, out, err = _here(
        "policy", "replay", "-c", config, "--since", "30d", "--with", config.parent / "new.yaml", "--now", AT
    )
    assert (code, err) == (0, "")
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in out.splitlines() if line.startswith("│")]
    assert rows == [
        [f"{ACTION}2", "REFUND_ORDER", "us", "2026-06-13T16:00+00:00", "ALLOW", "REVIEW",
         "cap", "AMOUNT_OVER_LIMIT", "30.00 USD"],
        [f"{ACTION}3", "RETURN_ORDER", "us", "2026-06-12T16:00+00:00", "ALLOW", "DENY",
         "returns", "WINDOW_EXPIRED", "40.00 USD"],
    ]  # fmt: skip
    assert out.splitlines()[-3:] == [
        "3 actions compared, 2 would come out otherwise; "
        "left out: 1 without recorded facts, 1 of stores the policy does not speak for",
        "  ALLOW -> DENY: 1, worth 40.00 USD",
        "  ALLOW -> REVIEW: 1, worth 30.00 USD",
    ]


def test_the_same_policy_flips_nothing(config: Path) -> None:
    words = ("policy", "replay", "-c", config, "--since", "8w", "--with", config.parent / "old.yaml", "--now", AT)
    code, out, _ = _here(*words, "--fail-on-flip")
    assert (code, out) == (0, "5 actions compared, 0 would come out otherwise; left out: 1 without recorded facts\n")


def test_only_one_store_and_a_status_for_programs(config: Path) -> None:
    words = (
        "policy",
        "replay",
        "-c",
        config,
        "--since",
        "2026-05-16",
        "--with",
        config.parent / "new.yaml",
        "--now",
        AT,
    )
    assert _here(*words, "--store", "us", "--fail-on-flip")[0] == 1
    code, out, _ = _here(*words, "--store", "eu", "--fail-on-flip")
    assert (code, out.splitlines()[0][:20]) == (0, "0 actions compared, ")


@pytest.mark.parametrize("command", ["replay", "backtest"])
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--since", "soon"], "'--since': 'soon' is no length of time"),
        (["--since", "30d", "--store", "zz"], "'--store': there is no store 'zz'; the stores are us, eu"),
        (["--since", "30d", "--with", "nowhere.yaml"], "'--with': there is no file or folder nowhere.yaml"),
        (["--since", "30d", "--now", "noon"], "--now: a time is written with its offset"),
        (["--since", "30d", "-c", "nowhere.yaml"], "nowhere.yaml"),
        ([], "--since"),
    ],
)
def test_mistakes_name_their_option_and_end_with_two(command: str, words: list[str], says: str, config: Path) -> None:
    given = ["-c", str(config), *(["--with", str(config.parent / "new.yaml")] if "--with" not in words else []), *words]
    code, out, err = _here("policy", command, *given)
    assert (code, out) == (2, "")
    assert says in err
    assert "Traceback" not in err


def test_a_policy_with_mistakes_ends_with_two_and_shows_them(config: Path) -> None:
    wrong = config.parent / "wrong.yaml"
    wrong.write_text(NEW.replace("limit", "limt"), "utf-8")
    code, _, err = _here("policy", "replay", "-c", config, "--since", "30d", "--with", wrong)
    assert code == 2
    assert f"{wrong}:6:37: a rule has no word limt (did you mean limit?)" in err


def test_a_ledger_that_cannot_be_used_is_said(config: Path) -> None:
    (config.parent / "ledger.db").write_bytes(b"this is no database, whatever its name says" * 100)
    code, out, err = _here("policy", "replay", "-c", config, "--since", "30d", "--with", config.parent / "new.yaml")
    assert (code, out) == (2, "")
    assert "the database cannot be used" in err


# ------------------------------------------------------------------ backtest


ALLOWING = """\
policy: allowing
stores: [us, ca, nl]
rules: [{id: refunds, action: REFUND_ORDER, then: ALLOW}]
"""


@pytest.fixture
def named(tmp_path: Path) -> Path:
    path = tmp_path / "orders.txt"
    path.write_text("# partly refunded\nOrder:us:450789007\n\nOrder:ca:5001\nOrder:nl:3003\nOrder:us:1\n", "utf-8")
    return path


def test_what_the_stores_show_is_decided_and_compared_with_what_happened(named: Path, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(ALLOWING, "utf-8")
    words = ("policy", "backtest", "--sandbox", "--since", "90d", "--orders", named)
    code, out, err = _here(*words, "--with", tmp_path / "p.yaml")
    assert (code, err) == (0, "")
    first, second = out.splitlines()
    assert (first.startswith("3 orders placed since "), first.endswith(", 1 not found")) == (True, True)
    assert second == "3 returns, refunds and cancellations compared, 0 would come out otherwise"
    (tmp_path / "p.yaml").write_text(ALLOWING.replace("then: ALLOW", "then: REVIEW"), "utf-8")
    code, out, _ = _here(*words, "--with", tmp_path / "p.yaml", "--store", "us", "--fail-on-flip")
    assert code == 1
    assert out.splitlines()[-2:] == [
        "1 returns, refunds and cancellations compared, 1 would come out otherwise",
        "  ALLOW -> REVIEW: 1, worth 25.00 USD",
    ]


def test_the_orders_of_named_customers_are_looked_at(tmp_path: Path) -> None:
    people = tmp_path / "people.txt"
    people.write_text("joann@example.com\n", "utf-8")
    (tmp_path / "p.yaml").write_text(ALLOWING, "utf-8")
    code, out, _ = _here(
        "policy", "backtest", "--sandbox", "--since", "90d", "--customers", people, "--with", tmp_path / "p.yaml"
    )
    assert code == 0
    assert out.splitlines()[-1] == "1 returns, refunds and cancellations compared, 0 would come out otherwise"


@pytest.mark.parametrize(
    ("option", "text", "says"),
    [
        ("--orders", "Order:us:1\nProduct:us:1\n", ":2: "),
        ("--orders", "Order:zz:1\n", "there is no store 'zz'"),
        ("--customers", "ada\n", ":1: this is no e-mail address"),
    ],
)
def test_a_list_with_a_mistake_names_its_line(option: str, text: str, says: str, tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text(text, "utf-8")
    code, out, err = _here("policy", "backtest", "--sandbox", "--since", "90d", option, path)
    assert (code, out) == (2, "")
    assert says in err
    assert "ada" not in err.replace("/data", "")


def test_a_store_that_cannot_be_read_is_said(config: Path, tmp_path: Path) -> None:
    path = tmp_path / "orders.txt"
    path.write_text("Order:us:1\n", "utf-8")
    closed = CONFIG.replace("shop: acme-us,", 'shop: acme-us, url: "http://127.0.0.1:9", allow_private_address: true,')
    config.write_text(closed, "utf-8")
    code, out, err = _here("policy", "backtest", "-c", config, "--since", "90d", "--orders", path)
    assert (code, out) == (2, "")
    assert err.startswith("us: ")


def test_without_a_list_the_ledgers_orders_are_looked_at(config: Path) -> None:
    code, out, err = _here("policy", "backtest", "-c", config, "--since", "1h", "--now", AT)
    assert (code, "The ledger names no orders" in err) == (0, True)
    assert out.splitlines()[-1] == "0 returns, refunds and cancellations compared, 0 would come out otherwise"


def test_a_refund_is_explained_for_an_amount(tmp_path: Path) -> None:
    code, out, _ = _here("policy", "explain", "Order:us:450789007", "REFUND_ORDER", "--amount", "500", "--sandbox")
    assert (code, out.splitlines()[0]) == (0, "DENY: refund order, order 1007, store us")
    assert any(line.strip().startswith("amount = 500 USD") for line in out.splitlines())
    code, out, err = _here("policy", "explain", "Order:us:450789007", "REFUND_ORDER", "--amount", "much", "--sandbox")
    assert (code, out, "--amount: an amount is written 12.50" in err) == (1, "", True)
