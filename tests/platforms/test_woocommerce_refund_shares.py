"""What a refund of WooCommerce gives back of a line: however it is split, the units come to the line and its taxes."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from platforms.base import RefundedLine
from platforms.errors import Refused
from platforms.woocommerce import refunds, wire

CENTS = st.integers(0, 2_000_000).map(lambda cents: Decimal(cents).scaleb(-2))


@given(CENTS, st.integers(1, 40), st.data())
def test_a_line_split_in_any_way_comes_to_the_line(whole: Decimal, of: int, data: st.DataObject) -> None:
    before, taken = 0, Decimal(0)
    shares = []
    while before < of:
        units = data.draw(st.integers(1, of - before))
        share = refunds.unit_share(whole, before, units, of, taken)
        assert share == refunds.unit_share(whole, before, units, of)
        assert share == share.quantize(Decimal("0.01"))
        assert abs(share - whole * units / of) < Decimal("0.01") * (units + 1)
        shares.append(share)
        before, taken = before + units, taken + share
    assert sum(shares) == whole


def line_row(of: int, net: Decimal, tax: Decimal, rates: list[int]) -> wire.PaidLineRow:
    """A line whose rates together are off the line's tax by what rounding each of them made."""
    parts = [(tax * rate / sum(rates)).quantize(Decimal("0.01")) for rate in rates] if sum(rates) else []
    return wire.PaidLineRow(
        5, "Mug", 9, 0, of, f"{net}", f"{tax}", f"{net}", f"{tax}",
        taxes=[wire.TaxRow(number, f"{part}") for number, part in enumerate(parts, 70)],
    )  # fmt: skip


def order_row(line: wire.PaidLineRow) -> wire.PaidOrderRow:
    nobody = wire.PostalAddress()
    return wire.PaidOrderRow(
        1, "1", "processing", "EUR", True, "0", "0", "0", "0", "0", "0", 0, nobody, nobody, None, [], line_items=[line]
    )


def refund_row(share: refunds.Share, number: int) -> wire.RefundRow:
    """As the shop records a share."""
    back = wire.PaidLineRow(
        100 + number, "Mug", 9, 0, -share.units, f"{-share.net}", f"{-share.tax}", f"{-share.net}", f"{-share.tax}",
        taxes=[wire.TaxRow(rate, f"{-tax}") for rate, tax in share.rates],
        meta_data=[wire.Meta("_refunded_item_id", str(share.item))],
    )  # fmt: skip
    return wire.RefundRow(number, f"{share.gross}", "2026-11-23T12:00:00", [back])


@given(CENTS, CENTS, st.integers(1, 7), st.lists(st.integers(1, 30), max_size=3))
def test_units_paid_back_one_by_one_come_to_the_lines_total_and_its_tax_rate_by_rate(
    net: Decimal, tax: Decimal, of: int, rates: list[int]
) -> None:
    row = line_row(of, net, tax, rates)

    class Line:
        native_id = "5"

    made: list[wire.RefundRow] = []
    shares = []
    for number in range(of):
        left = refunds.Left(order_row(row), made, "eu")
        [share] = left.of_lines([RefundedLine(Line(), 1)])  # type: ignore[arg-type]
        shares.append(share)
        made.insert(0, refund_row(share, number))
    assert sum(share.net for share in shares) == net
    assert sum(share.tax for share in shares) == tax
    [whole] = refunds.Left(order_row(row), [], "eu").of_lines([RefundedLine(Line(), of)])  # type: ignore[arg-type]
    for at, (rate, amount) in enumerate(whole.rates):
        assert sum((share.rates[at][1] for share in shares), Decimal(0)) == amount, rate
    with pytest.raises(Refused):
        refunds.Left(order_row(row), made, "eu").of_lines([RefundedLine(Line(), 1)])  # type: ignore[arg-type]


@given(st.lists(st.tuples(CENTS, st.lists(CENTS, max_size=3)), min_size=1, max_size=4), CENTS)
def test_shares_that_are_cut_come_to_just_the_amount(rows: list[tuple[Decimal, list[Decimal]]], to: Decimal) -> None:
    shares = [
        refunds.Share(number, 1, net, tuple(enumerate(taxes)), sum(taxes, Decimal(0)))
        for number, (net, taxes) in enumerate(rows)
    ]
    smaller = refunds.cut(shares, to)
    assert refunds.gross(smaller) == min(to, refunds.gross(shares))
    assert [(one.item, one.units) for one in smaller] == [(one.item, one.units) for one in shares]
    for one in smaller:
        assert one.net >= 0
        assert all(tax >= 0 for _, tax in one.rates)
        assert sum((tax for _, tax in one.rates), Decimal(0)) == one.tax
