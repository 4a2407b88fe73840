"""Values without identity that several nouns share: money, addresses, intervals, images."""

from __future__ import annotations

from dataclasses import field as default
from decimal import Decimal

import strawberry

from schema.making import maker
from schema.scalars import CountryCode, CurrencyCode, Url
from schema.vocabulary import FeeKind, IntervalUnit, RefundDestination


@strawberry.type(description="An amount of money. Never a float; compare amounts of one currency only.")
class Money:
    # One instance may stand in many nouns, over requests: it is never changed. So it is with MoneyPair.
    amount: Decimal = strawberry.field(description="In major units, with the digits the store gave: `19.90`.")
    currency_code: CurrencyCode

    @staticmethod
    def of(amount: Decimal | str | int, currency: str) -> Money:
        return _money(
            amount=amount if isinstance(amount, Decimal) else Decimal(amount),
            currency_code=currency,  # type: ignore[arg-type] # the type's name is only for the schema
        )


@strawberry.type(description="One amount as the customer saw it and in the store's own currency.")
class MoneyPair:
    presentment: Money = strawberry.field(description="In the currency the customer paid in.")
    shop: Money = strawberry.field(description="In the store's own currency.")

    @staticmethod
    def same(amount: Decimal | str | int, currency: str) -> MoneyPair:
        """For stores that keep one currency an order."""
        money = Money.of(amount, currency)
        return _pair(presentment=money, shop=money)


_money = maker(Money, "amount", "currency_code")
_pair = maker(MoneyPair, "presentment", "shop")


@strawberry.type(description="A postal address, as far as the store knows it.")
class Address:
    name: str | None = None
    company: str | None = None
    line1: str | None = None
    line2: str | None = None
    city: str | None = None
    region: str | None = strawberry.field(default=None, description="State, province or county, in words.")
    region_code: str | None = None
    postal_code: str | None = None
    country_code: CountryCode | None = None
    phone: str | None = None


@strawberry.type(description="`count` units: 2 WEEK is every other week.")
class Interval:
    unit: IntervalUnit
    count: int


@strawberry.type
class Image:
    url: Url
    alt: str | None = None


make_image = maker(Image, "url", "alt")


@strawberry.type(description="A cost that is kept back from a refund.")
class Fee:
    kind: FeeKind
    amount: Money


@strawberry.type(description="The money an action would move, worked out before it is asked for.")
class Quote:
    items: Money = strawberry.field(description="The value of the goods, after discounts.")
    total: Money = strawberry.field(description="What the customer gets back, fees already taken off.")
    destination: RefundDestination
    estimated: bool = strawberry.field(description="True where the platform may come to a slightly other sum.")
    tax: Money | None = None
    fees: list[Fee] = default(default_factory=list)
    shipping: Money | None = None
