"""Orders and subscriptions of every kind that matters to a policy, for properties that hold of all of them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from hypothesis import strategies as st

from schema.order import Order
from schema.vocabulary import FulfillmentStatus, OrderStatus, PaymentStatus, SubscriptionStatus
from tests.policies.nouns import Goods, ago, order, subscription

GOODS = st.builds(
    Goods,
    price=st.sampled_from(["0.00", "12.50", "40.00", "95.00", "260.00"]),
    ordered=st.integers(1, 3),
    returned=st.integers(0, 2),
    fulfilled=st.sampled_from([None, 0, 1, 2, 3]),
    returnable=st.sampled_from([None, 0, 1, 2]),
    refundable=st.sampled_from([None, 0, 1]),
    tags=st.sampled_from([None, [], ["final-sale"], ["outlet"]]),
    type=st.sampled_from([None, "Shirts", "Software"]),
    delivered=st.sampled_from([None, *(ago(days=n) for n in (1, 13, 20, 31, 45, 200))]),
    shipped=st.sampled_from([None, ago(days=50), ago(days=2)]),
)


@st.composite
def orders(draw: st.DrawFn) -> Order:
    goods = draw(st.lists(GOODS, min_size=1, max_size=3))
    for place, each in enumerate(goods):
        each.native = str(place + 1)
    worth = sum((Decimal(each.price) * each.ordered for each in goods), Decimal(0))
    part = draw(st.sampled_from(["0", "0", "0.3", "1"]))
    return order(
        *goods,
        rate=draw(st.sampled_from([None, None, "1.37", "0.5"])),
        refunded=str((worth * Decimal(part)).quantize(Decimal("0.01"))),
        disputed=draw(st.sampled_from([None, False, True])),
        key=draw(st.sampled_from(["us", "eu"])),
        status=draw(
            st.sampled_from([OrderStatus.OPEN, OrderStatus.COMPLETED, OrderStatus.CANCELLED, OrderStatus.UNKNOWN])
        ),
        payment=draw(st.sampled_from([PaymentStatus.PAID, PaymentStatus.DISPUTED])),
        fulfillment=draw(st.sampled_from(FulfillmentStatus)),
        placed=draw(st.sampled_from([ago(minutes=10), ago(days=4), ago(days=60)])),
        segments=draw(st.sampled_from([[], ["member"]])),
        customer_tags=draw(st.sampled_from([[], ["member"]])),
        parcels_read=draw(st.booleans()),
    )


SUBSCRIPTIONS = st.builds(
    subscription,
    status=st.sampled_from(SubscriptionStatus),
    cycles=st.sampled_from([None, 0, 2, 3, 8]),
    next_billing=st.sampled_from([None, *(date(2026, 6, day) for day in (15, 16, 17, 18, 30))]),
    payment_failed=st.booleans(),
)
