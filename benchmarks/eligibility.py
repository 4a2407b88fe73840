"""What it costs to say of twenty orders whether they can be cancelled and returned: the decisions alone, and through
the endpoint as the difference of two queries."""

from __future__ import annotations

import json
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from benchmarks.peers.asking import many, once, request
from benchmarks.peers.contenders import KEY, gateway
from benchmarks.peers.processes import cpu, free_port, process
from benchmarks.peers.upstream import DECIDED, DECIDED_EMAIL, DECIDED_LINES
from policies.eligibility import eligibility
from policies.guard import MIN_ASSURANCE
from policies.processor import PolicyProcessor
from schema.order import Order
from schema.vocabulary import ActionKind, FulfillmentStatus, NextStep
from tests.policies.nouns import EXAMPLES, NOBODY_YET, NOW, SHOPPER, STORES, Goods, can, order

#: Of the examples the one that looks at fewest details of a request, and the one that looks at most.
POLICIES = (EXAMPLES / "grocery.yaml", EXAMPLES / "fashion.yaml")
ACTIONS = (ActionKind.CANCEL_ORDER, ActionKind.RETURN_ORDER)
CONNECTIONS = 8

_BEGINNING = "query Orders($email: String!) { customer(by: {email: $email}) { orders(first: 20) { nodes { id number "
_END = "lines { id title product { id title } } } } } }"
_ASKED = (
    "eligibility(actions: [CANCEL_ORDER, RETURN_ORDER]) "
    "{ action next dependsOn decision { verdict allowedUntil reasons { code customerMessage } } } "
)


def orders() -> list[Order]:
    """Some can be cancelled, some returned, some neither; one in five has a line on final sale."""
    found = []
    for number in range(DECIDED):
        days = 2 * number
        sent = number % 4 > 0
        tags = ["final-sale"] if number % 5 == 0 else ["linen"]
        goods = [
            Goods(
                native=str(line + 1),
                ordered=1 + line,
                fulfilled=1 + line if sent else 0,
                tags=tags if line else ["linen"],
                delivered=NOW - timedelta(days=days) if sent else None,
                shipped=NOW - timedelta(days=days + 2) if sent else None,
            )
            for line in range(DECIDED_LINES)
        ]
        status = FulfillmentStatus.FULFILLED if sent else FulfillmentStatus.UNFULFILLED
        placed = NOW - (timedelta(days=days + 4) if sent else timedelta(minutes=10 * number))
        found.append(order(*goods, placed=placed, fulfillment=status))
    return found


def decided(policy: Path, rounds: int = 7, times: int = 10) -> list[float]:
    """CPU milliseconds of all the decisions, by round, with what the query of `through` shows of them.

    What holds for all orders that the rules cannot tell apart is worked out before, as in a process that has served.
    """
    processor, of = PolicyProcessor.load(policy, STORES), orders()

    def all_of_them() -> int:
        possible = 0
        for each in of:
            for kind in ACTIONS:
                found = eligibility(
                    processor,
                    each,
                    kind,
                    viewer=SHOPPER,
                    history=NOBODY_YET,
                    now=NOW,
                    support=can(kind),
                    active=False,
                    assuming=None,
                    min_assurance=MIN_ASSURANCE[kind],
                )
                assert all(reason.customer_message for reason in found.decision.reasons)
                possible += found.next is not NextStep.NOT_POSSIBLE
        return possible

    assert 0 < all_of_them() < DECIDED * len(ACTIONS)
    costs = []
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(times):
            all_of_them()
        costs.append((time.process_time() - began) / times * 1000)
    return costs


@dataclass
class Through:
    """CPU milliseconds of the gateway a query, by round, without and with eligibility; and its calls of the shop."""

    without: list[float]
    asked: list[float]
    calls: tuple[int, int]

    def difference(self) -> float:
        """Median of the rounds."""
        pairs = zip(self.asked, self.without, strict=True)
        return statistics.median(dear - cheap for dear, cheap in pairs)


def rules_of(policy: Path) -> str:
    """For the one store there is."""
    return re.sub(r"(?m)^stores: .*$", "stores: [eu]", policy.read_text(encoding="utf-8"))


async def through(rules: str, rounds: int = 7, times: int = 100, warm: int = 300) -> Through:
    """`aftersale serve` with these rules over a shop that answers at once; the two queries in turns."""
    texts = [
        request(
            "POST",
            "/graphql",
            {"accept": "application/json", "authorization": f"Bearer {KEY}"},
            json.dumps({"query": _BEGINNING + more + _END, "variables": {"email": DECIDED_EMAIL}}).encode(),
        )
        for more in ("", _ASKED)
    ]
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder, shop, port = Path(name), free_port(), free_port()
        stack.enter_context(process([sys.executable, "-m", "benchmarks.peers.upstream", str(shop)], folder, None, shop))
        command = gateway(port, f"http://127.0.0.1:{shop}", folder, rules)
        served = stack.enter_context(process(command, folder, None, port))
        calls: list[int] = []
        for text in texts:
            await many(port, lambda _: text, warm, 60, CONNECTIONS)  # noqa: B023 - awaited here
            await _calls(shop)
            _check(*await once(port, text))
            calls.append(await _calls(shop))
        costs: Sequence[list[float]] = ([], [])
        for _ in range(rounds):
            for text, found in zip(texts, costs, strict=True):
                before = cpu(served)
                waits = await many(port, lambda _: text, times, 60, CONNECTIONS)  # noqa: B023 - awaited here
                found.append((cpu(served) - before) / len(waits) * 1000)
        return Through(costs[0], costs[1], (calls[0], calls[1]))


def _check(status: int, body: bytes) -> None:
    nodes = json.loads(body)["data"]["customer"]["orders"]["nodes"]
    assert status == 200
    assert [len(node["lines"]) for node in nodes] == [DECIDED_LINES] * DECIDED
    assert all(len(node.get("eligibility", ACTIONS)) == len(ACTIONS) for node in nodes)


async def _calls(shop: int) -> int:
    _, body = await once(shop, request("GET", "/_counts", {}, None))
    return sum(json.loads(body).values())
