"""What was worked out for one order and holds for another: the same answers as when every request is tried."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies.asked import Asked, History
from policies.eligibility import eligibility
from policies.plans import standings
from policies.processor import PolicyProcessor
from schema.order import Order, OrderLine
from schema.policy import Eligibility, RequestAssumption
from schema.vocabulary import (
    ActionKind,
    AssuranceLevel,
    FulfillmentStatus,
    ItemCondition,
    OrderStatus,
    RequestedResolution,
    ReturnReason,
)
from tests.policies.nouns import ACME, EXAMPLES, NOBODY_YET, NOW, SHOPPER, STAFF, STORES, Goods, ago, can, load, order

RETURN = ActionKind.RETURN_ORDER
#: Each a rule of a return; together they use every word that such a rule may have.
RULES = [
    "window: {days: 30, from: DELIVERED, else: [{from: FULFILLED, plus_days: 7}]}, on_miss: DENY, "
    "overrides: [{for: {tags: [outlet]}, days: 14}, {for: {segments: [member]}, days: 60}], "
    "offer: [{resolution: STORE_CREDIT, when: line.days_late <= 20}]",
    "window: {days: 21, from: DELIVERED}, per: line, on_miss: REVIEW, on_unknown: DENY",
    "window: {days: 40, from: ORDERED}, overrides: [{for: {resolutions: [STORE_CREDIT]}, days: 70}]",
    "then: ALLOW",
    "for: {resolutions: [STORE_CREDIT]}, then: ALLOW",
    "for: {resolutions: [KEEP_ITEM], tags: [outlet]}, then: REVIEW",
    "for: {tags: [final-sale]}, unless: request.reason in MERCHANT_FAULT, then: DENY, code: FINAL_SALE",
    "when: request.condition == USED, unless: request.reason in MERCHANT_FAULT, then: DENY",
    "for: {stores: [us]}, when: request.reason == UNWANTED && line.price > 50.0, then: REVIEW, "
    "say: '{line.title} {request.reason}'",
    "when: request.quantity > 1 && line.quantity > 2, then: DENY, code: EXCLUDED_PRODUCT",
    "when: request.reason in WRONG_SIZE, unless: line.type == 'Shirts', then: DENY, "
    "offer: [{resolution: STORE_CREDIT}]",
    "when: request.condition == OPENED, on_unknown: DENY, then: REVIEW, approver: lead, expires: {hours: 12}",
    "when: request.resolution == STORE_CREDIT, then: REVIEW",
    "for: {stores: [us]}, when: request.amount > 95.0, then: REVIEW",
    "for: {stores: [us]}, when: request.reason == UNWANTED, offer: [{resolution: STORE_CREDIT, "
    "when: request.condition == USED}], then: DENY",
    "limit: {request: {USD: 100, EUR: 90}}, over: REVIEW",
    "limit: {request: {USD: 80, EUR: 80}, customer_90d: {USD: 150, EUR: 150}}, over: DENY, audience: staff",
    "per: line, limit: {request: {USD: 30, EUR: 20}}, over: DENY",
    "limit: {returns_90d: 2}, over: REVIEW",
    "for: {tags: [outlet]}, then: {fee: RESTOCKING_FEE, percent: 15, waive_when: request.condition == UNOPENED}",
    "unless: request.reason in MERCHANT_FAULT, then: {fee: RETURN_SHIPPING_FEE, amount: {USD: '4.95', EUR: '3.95'}, "
    "per: request}",
    "then: {fee: RESTOCKING_FEE, percent: 10, waive_when: line.type == 'Software'}",
    "when: line.days_since_delivery > 15, unless: order.disputed, on_unknown: REVIEW, then: DENY",
    "for: {customer_tags: [member]}, when: 100 / (line.quantity - 2) > 1, then: REVIEW",
    "when: viewer.assurance == STAFF, then: ALLOW",
]


def _policy(rules: frozenset[int]) -> str:
    written = "".join(f"  - {{id: r{n}, action: RETURN_ORDER, {RULES[n]}}}\n" for n in sorted(rules))
    return f"policy: p\nstores: [us, eu]\nrules:\n{written}"


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[frozenset[int], PolicyProcessor]:
    folder = tmp_path_factory.mktemp("plans")
    # A few sets that often come back, so that orders meet the plans of others.
    sets = [frozenset({n % len(RULES), n * 7 % len(RULES), n * n % len(RULES), 0 if n % 3 else 3}) for n in range(40)]
    return {chosen: load(_policy(chosen), folder) for chosen in {*sets, *(frozenset({n}) for n in range(len(RULES)))}}


def _plain(value: Any, seen: tuple[int, ...] = ()) -> Any:
    """All there is to a decision, fields that are late too."""
    if isinstance(value, OrderLine):
        return value.native_id
    if dataclasses.is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in dataclasses.fields(value) if each.init}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _may(subject: Order | OrderLine, processor: PolicyProcessor, **more: Any) -> Eligibility:
    given: dict[str, Any] = {
        "viewer": STAFF, "history": NOBODY_YET, "now": NOW, "support": can(RETURN), "active": False, "assuming": None,
        "min_assurance": AssuranceLevel.VERIFIED,
    }  # fmt: skip
    return eligibility(processor, subject, RETURN, **{**given, **more})


def _goods(some: Random, usual: Goods) -> Goods:
    """Like `usual`, mostly: orders that differ in one thing are the ones that might be taken for one another."""
    others: dict[str, list[Any]] = {
        "price": ["0.00", "12.00", "40.00", "60.00"],
        "ordered": [1, 2, 3],
        "returned": [0, 1],
        "fulfilled": [3, 0, None],
        "returnable": [None, 0, 1],
        "refundable": [None, 0, 1],
        "tags": [None, [], ["final-sale"], ["outlet"]],
        "type": [None, "Shirts", "Software"],
        "delivered": [None, *(ago(days=n) for n in (1, 16, 25, 32, 45))],
        "shipped": [None, ago(days=3), ago(days=60)],
    }
    return dataclasses.replace(usual, **{n: some.choice(others[n]) for n in others if some.random() < 0.08})


def _order(some: Random, usual: list[Goods]) -> Order:
    def mostly(first: Any, *others: Any) -> Any:
        return first if some.random() < 0.93 else some.choice(others)

    return order(
        *[_goods(some, goods) for goods in usual],
        key=mostly("us", "eu"),
        status=mostly(OrderStatus.OPEN, OrderStatus.CANCELLED),
        fulfillment=mostly(FulfillmentStatus.FULFILLED, FulfillmentStatus.UNFULFILLED),
        segments=mostly([], ["member"]),
        customer_tags=mostly([], ["member"]),
        disputed=mostly(False, None, True),
        placed=mostly(ago(days=50), ago(days=60)),
        parcels_read=mostly(True, False),
        rate=mostly(None, "1.37"),
    )


def _assumed(some: Random) -> RequestAssumption | None:
    if some.random() < 0.85:
        return None
    return RequestAssumption(
        reason=some.choice([None, ReturnReason.DEFECTIVE, ReturnReason.UNWANTED]),
        condition=some.choice([None, ItemCondition.USED]),
        resolution=some.choice([None, *RequestedResolution]),
    )


#: From a seed come many orders made of little, so that they meet each other's plans.
SEEDS = st.integers(0, 2**32)
ORDERS = 30


def _hold(processor: PolicyProcessor, some: Random) -> None:
    goods = Goods(
        price=some.choice(["40.00", "60.00"]),
        ordered=some.randint(1, 3),
        fulfilled=3,
        tags=some.choice([[], ["final-sale"], ["outlet"]]),
        type=some.choice(["Shirts", "Software"]),
        delivered=ago(days=some.choice([1, 16, 25, 32, 45])),
    )
    usual = [dataclasses.replace(goods, native=str(place)) for place in range(some.choice([1, 2, 2, 3]))]
    for _ in range(ORDERS):
        of = _order(some, usual)
        subject = of.lines[0] if some.random() < 0.2 else of
        spent = {code: Decimal(some.choice([0, 0, 0, 0, 60, 200])) for code in ("USD", "EUR")}
        more = {
            "assuming": _assumed(some),
            "history": History(spent, return_count_90d=some.choice([0, 0, 0, 3])),
            "viewer": some.choice([STAFF, SHOPPER]),
        }
        assert _plain(_may(subject, processor, **more)) == _plain(_may(subject, processor, plainly=True, **more))
    assert standings(processor.policies[0]).misfits == 0


@settings(deadline=None, max_examples=100, suppress_health_check=list(HealthCheck))
@given(seed=SEEDS, data=st.data())
def test_a_plan_says_what_trying_every_request_says(
    seed: int, data: st.DataObject, loaded: dict[frozenset[int], PolicyProcessor]
) -> None:
    chosen = data.draw(st.sampled_from(sorted(loaded, key=sorted)))
    _hold(loaded[chosen], Random(seed))


EXAMPLE_POLICIES = {path.stem: PolicyProcessor.load(path, STORES) for path in [*EXAMPLES.glob("*.yaml"), ACME]}


@settings(deadline=None, max_examples=30, suppress_health_check=list(HealthCheck))
@given(seed=SEEDS, name=st.sampled_from(["fashion", "electronics", "grocery", "acme"]))
def test_so_it_is_with_the_policies_that_come_along(seed: int, name: str) -> None:
    _hold(EXAMPLE_POLICIES[name], Random(seed))


def test_an_order_that_the_rules_cannot_tell_from_another_is_not_tried_again() -> None:
    asks: list[Asked] = []

    class Counting(PolicyProcessor):
        def judge(self, asked: Asked, *rest: Any, **more: Any) -> Any:
            asks.append(asked)
            return super().judge(asked, *rest, **more)

    fashion = Counting.load(EXAMPLES / "fashion.yaml", STORES)
    first = order(Goods(ordered=2, fulfilled=2, price="60.00", delivered=ago(days=3)), placed=ago(days=6))
    other = order(Goods(ordered=2, fulfilled=2, price="70.00", delivered=ago(days=9)), placed=ago(days=12))
    cheap = order(Goods(ordered=2, fulfilled=2, price="20.00", delivered=ago(days=9)), placed=ago(days=12))
    answers = [_may(first, fashion)]
    tried = len(asks)
    assert tried > 10
    answers.append(_may(other, fashion))
    assert len(asks) == tried
    answers.append(_may(cheap, fashion))  # on the other side of a limit
    assert len(asks) > tried
    assert [str(each.quote.total.amount) for each in answers if each.quote] == ["60.00", "70.00", "40.00"]
    assert answers[0].decision.allowed_until != answers[1].decision.allowed_until
