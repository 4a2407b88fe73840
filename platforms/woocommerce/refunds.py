"""How much of an order's lines, taxes and shipping a refund gives back: the shop has to be told, to the last digit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_DOWN, Decimal

from platforms.base import RefundedLine, RefundSum
from platforms.errors import Refused, Unreadable, Unsupported
from platforms.woocommerce import wire
from schema.values import Money
from schema.vocabulary import ActionKind

_NOTHING = Decimal(0)


@dataclass(frozen=True, slots=True)
class Share:
    """So much of one item of an order: its net amount, and its tax by the rate's id."""

    item: int
    units: int
    net: Decimal
    #: What is told apart by rate; the shop takes a tax back only with its rate.
    rates: tuple[tuple[int, Decimal], ...]
    #: All of the tax, also where the shop does not tell the rates.
    tax: Decimal

    @property
    def gross(self) -> Decimal:
        return self.net + self.tax


@dataclass(slots=True)
class Gone:
    """What earlier refunds took of one item."""

    units: int = 0
    net: Decimal = _NOTHING
    tax: Decimal = _NOTHING
    rates: dict[int, Decimal] = field(default_factory=dict)


class Left:
    """What is left of an order, item by item, after the refunds it has had."""

    def __init__(self, row: wire.PaidOrderRow, refunds: Sequence[wire.RefundRow], store: str) -> None:
        self._row = row
        self._store = store
        self._gone: dict[int, Gone] = {}
        for refund in refunds:
            for line in refund.line_items:
                self._take(line, int(abs(Decimal(line.quantity))))
            for shipping in refund.shipping_lines:
                self._take(shipping, 0)

    def _take(self, item: wire.PaidLineRow | wire.ShippingRow, units: int) -> None:
        of = wire.refunded_item(item.meta_data)
        if of is None:
            raise Unreadable("a refund of this order does not tell which of its lines it was for", store=self._store)
        gone = self._gone.setdefault(of, Gone())
        gone.units += units
        gone.net += abs(wire.amount(item.total, "refund.line_items[].total"))
        gone.tax += abs(wire.amount(item.total_tax, "refund.line_items[].total_tax"))
        for rate in item.taxes:
            taken = abs(wire.amount(rate.total, "refund.line_items[].taxes[].total"))
            gone.rates[rate.id] = gone.rates.get(rate.id, _NOTHING) + taken

    def of_lines(self, lines: Iterable[RefundedLine]) -> list[Share]:
        """The share of so many units of each line. Raises `Refused` where fewer are left."""
        rows = {str(row.id): row for row in self._row.line_items}
        return [self._of_line(rows.get(one.line.native_id), one.quantity) for one in lines]

    def _of_line(self, row: wire.PaidLineRow | None, units: int) -> Share:
        if row is None:
            raise Refused("the order has no such line any more", store=self._store)
        if Decimal(row.quantity) != int(row.quantity):
            raise Unsupported(
                "A line sold by measure has no units to pay back: ask for an amount.",
                action=ActionKind.REFUND_ORDER,
                store=self._store,
            )
        gone, of = self._gone.get(row.id, Gone()), int(row.quantity)
        if gone.units + units > of:
            raise Refused("the line has fewer units left than are asked for", store=self._store)

        def part(whole: Decimal, taken: Decimal) -> Decimal:
            return unit_share(whole, gone.units, units, of, taken)

        net = part(wire.amount(row.total, "order.line_items[].total"), gone.net)
        whole_tax = wire.amount(row.total_tax, "order.line_items[].total_tax")
        rates = tuple(
            (rate, part(tax, gone.rates.get(rate, _NOTHING))) for rate, tax in _rates(row.taxes, whole_tax).items()
        )
        tax = sum((one for _, one in rates), _NOTHING) if rates else part(whole_tax, gone.tax)
        return Share(row.id, units, net, rates, tax)

    def of_shipping(self) -> list[Share]:
        """All that is left of the shipping."""
        shares = []
        for row in self._row.shipping_lines:
            gone = self._gone.get(row.id, Gone())
            whole_tax = wire.amount(row.total_tax, "order.shipping_lines[].total_tax")
            rates = tuple(
                (rate, max(_NOTHING, tax - gone.rates.get(rate, _NOTHING)))
                for rate, tax in _rates(row.taxes, whole_tax).items()
            )
            tax = sum((one for _, one in rates), _NOTHING) if rates else max(_NOTHING, whole_tax - gone.tax)
            net = max(_NOTHING, wire.amount(row.total, "order.shipping_lines[].total") - gone.net)
            shares.append(Share(row.id, 0, net, rates, tax))
        return shares


def unit_share(whole: Decimal, before: int, units: int, of: int, taken: Decimal = _NOTHING) -> Decimal:
    """What `units` of a line's `of` are worth after `before` were paid back for: unit by unit or at once, all together
    come to just `whole`. `taken` was paid back before, and no more than the rest of it is left."""
    step = Decimal(1).scaleb(min(int(whole.as_tuple().exponent), 0))

    def first(count: int) -> Decimal:
        return whole if count >= of else (whole * count / of).quantize(step, ROUND_DOWN)

    return max(_NOTHING, min(first(before + units) - first(before), whole - taken))


def _rates(taxes: Sequence[wire.TaxRow], whole: Decimal) -> Mapping[int, Decimal]:
    """The tax of each rate, together just the item's tax: what rounding left between them is put on the largest."""
    rates: dict[int, Decimal] = {}
    for tax in taxes:
        rates[tax.id] = rates.get(tax.id, _NOTHING) + wire.amount(tax.total, "taxes[].total")
    if rates:
        rates[max(rates, key=lambda rate: rates[rate])] += whole - sum(rates.values(), _NOTHING)
    return rates


def gross(shares: Iterable[Share]) -> Decimal:
    return sum((share.gross for share in shares), _NOTHING)


def cut(shares: Sequence[Share], to: Decimal) -> list[Share]:
    """The shares, each smaller in proportion, together just `to`; as they are where that is no less."""
    whole = gross(shares)
    if to >= whole:
        return list(shares)
    step = Decimal(1).scaleb(min(int(to.as_tuple().exponent), int(whole.as_tuple().exponent), 0))

    def parts() -> Iterator[Decimal]:
        for share in shares:
            yield share.net
            yield from (tax for _, tax in share.rates) if share.rates else (share.tax,)

    smaller: list[Decimal] = []
    sum_, given = _NOTHING, _NOTHING
    for part in parts():
        sum_ += part
        upto = to if sum_ == whole else (to * sum_ / whole).quantize(step, ROUND_DOWN)
        smaller.append(upto - given)
        given = upto
    found = iter(smaller)
    made = []
    for share in shares:
        net = next(found)
        rates = tuple((rate, next(found)) for rate, _ in share.rates)
        tax = sum((one for _, one in rates), _NOTHING) if share.rates else next(found)
        made.append(replace(share, net=net, rates=rates, tax=tax))
    return made


def items(shares: Iterable[Share]) -> list[wire.RefundItem]:
    """In the words of the call."""
    return [
        wire.RefundItem(
            id=share.item,
            quantity=share.units,
            refund_total=share.net,
            refund_tax=[wire.RefundTax(rate, tax) for rate, tax in share.rates],
        )
        for share in shares
    ]


def refund_sum(goods: Sequence[Share], shipping: Sequence[Share] | None, most: Money) -> RefundSum:
    """What the shares come to; never more than `most`, what is left of the order."""
    currency = most.currency_code
    sent = gross(shipping or ())
    total = gross(goods) + sent
    if total > most.amount:  # something of it was paid back as a bare sum before
        sent = min(sent, most.amount)
        return RefundSum(
            items=Money.of(most.amount - sent, currency),
            total=most,
            shipping=None if shipping is None else Money.of(sent, currency),
        )
    return RefundSum(
        items=Money.of(sum((share.net for share in goods), _NOTHING), currency),
        total=Money.of(total, currency),
        tax=Money.of(sum((share.tax for share in goods), _NOTHING), currency),
        shipping=None if shipping is None else Money.of(sent, currency),
    )
