"""How a reason is put into words: templates over facts, in the words of a locale; no model writes them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime
from babel.numbers import format_currency

from policies.facts import FACTS, Absent, Facts
from schema.provenance import Store
from schema.values import Money
from schema.vocabulary import ReasonCode, RequestedResolution

#: Names a message may use besides facts, with what each is.
OWN_NAMES: Final[Mapping[str, str]] = {
    "days": "the window's length in days",
    "length": "the window's length with its unit: 30 minutes",
    "allowed_until": "the last day, or for short windows the last instant, inside the window",
    "days_late": "local days since the window ended",
    "amount": "the money that was compared, or the fee",
    "limit": "the amount or number that was exceeded",
    "cycles": "the cycles that are completed",
    "min_cycles": "the cycles that are needed",
    "max_pause": "the longest pause, in days",
}

_PART = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
#: A value written into a message is cut here.
_LONGEST = 200


class TemplateError(ValueError):
    """A template with a loose brace or a name that does not exist; `name` is the name."""

    def __init__(self, message: str, name: str = "") -> None:
        super().__init__(message)
        self.name = name


Piece = str | tuple[str]


@dataclass(frozen=True, slots=True)
class Template:
    """Text with names in braces; `{{` and `}}` are braces."""

    text: str
    pieces: tuple[Piece, ...]
    #: The names in braces, in order.
    names: tuple[str, ...]
    #: The text where it names nothing.
    fixed: str = field(init=False, default="")

    def __post_init__(self) -> None:
        object.__setattr__(self, "fixed", self.fill(lambda name: ""))

    def fill(self, value_of: Callable[[str], str]) -> str:
        return "".join(piece if isinstance(piece, str) else value_of(piece[0]) for piece in self.pieces)


def parse_template(text: str) -> Template:
    """A template from its text.

    Raises:
        TemplateError: a brace without its other, or a name that is neither a fact nor one of `OWN_NAMES`.
    """
    pieces: list[Piece] = []
    end = 0
    for part in _PART.finditer(text):
        if part.start() > end:
            pieces.append(text[end : part.start()])
        end = part.end()
        if part[0] in ("{{", "}}"):
            pieces.append(part[0][0])
        elif part[1] is None:
            raise TemplateError(f"a loose {part[0]}: write {part[0] * 2} for a brace")
        else:
            name = part[1].strip()
            if name not in FACTS and name not in OWN_NAMES:
                raise TemplateError(f"a message cannot name {name or 'nothing'}", name)
            pieces.append((name,))
    if end < len(text):
        pieces.append(text[end:])
    return Template(text, tuple(pieces), tuple(piece[0] for piece in pieces if isinstance(piece, tuple)))


Say = Mapping[str, Template]
"""A template by locale; a text alone is kept under the empty name."""


@lru_cache(maxsize=64)
def locale_of(name: str) -> Locale:
    """The locale most like this name; English where it is none."""
    try:
        return Locale.parse(name.replace("-", "_"))
    except (ValueError, UnknownLocaleError):
        return Locale.parse("en")


def spoken(locale: str, store: Store) -> str:
    """What a caller is told in: the language it asks for, else the store's (an empty `locale`), else English."""
    return locale or store.locale or "en"


def choose(say: Say, locale: str) -> Template:
    """The template for a locale: the very one, its language, English, else the first that was written."""
    wanted = locale.replace("_", "-")
    for name in (wanted, wanted.split("-", 1)[0], "", "en"):
        if name in say:
            return say[name]
    return next(iter(say.values()))


@lru_cache(maxsize=4096)
def show_day(at: datetime, zone: ZoneInfo, locale: str) -> str:
    return str(format_date(at.astimezone(zone).date(), "long", locale=locale_of(locale)))


@lru_cache(maxsize=4096)
def show_instant(at: datetime, zone: ZoneInfo, locale: str) -> str:
    return str(format_datetime(at, "medium", tzinfo=zone, locale=locale_of(locale)))


@lru_cache(maxsize=4096)
def show_money(amount: Decimal, currency: str, locale: str) -> str:
    return str(format_currency(amount, currency, locale=locale_of(locale)))


def show_value(value: Any, zone: ZoneInfo, locale: str) -> str:
    """A value as a person reads it."""
    if value is None or isinstance(value, Absent):
        return "?"
    if isinstance(value, Money):
        return show_money(value.amount, value.currency_code, locale)
    if isinstance(value, datetime):
        return show_day(value, zone, locale)
    if isinstance(value, list):
        return ", ".join(map(str, value))[:_LONGEST]
    return str(getattr(value, "name", value))[:_LONGEST]


def tell(template: Template, facts: Facts, own: Mapping[str, str], locale: str) -> str:
    """A template with its names filled in; what is not known is a question mark."""

    def value_of(name: str) -> str:
        if name in own:
            return own[name]
        if name in OWN_NAMES:
            return "?"
        return show_value(facts[name], facts.zone, locale)

    return template.fill(value_of)


# ------------------------------------------------------------------------------------- sentences of the gateway


def _says(en: str, de: str, nl: str, sv: str) -> Say:
    return {language: parse_template(text) for language, text in (("en", en), ("de", de), ("nl", nl), ("sv", sv))}


NEUTRAL: Final = _says(
    "This cannot be done here. Our team can help.",
    "Das geht hier nicht. Unser Team hilft gerne.",
    "Dit kan hier niet. Ons team helpt u graag.",
    "Det går inte här. Vårt team hjälper gärna till.",
)
NEUTRAL_REVIEW: Final = _says(
    "A member of our team has to look at this first.",
    "Das sieht sich zuerst jemand aus unserem Team an.",
    "Iemand van ons team moet dit eerst bekijken.",
    "Någon i vårt team måste titta på det först.",
)

OF_CODE: Final[Mapping[ReasonCode, Say]] = {
    ReasonCode.OK: _says("This is possible.", "Das ist möglich.", "Dat kan.", "Det går bra."),
    ReasonCode.WINDOW_EXPIRED: _says(
        "The time for this ended on {allowed_until}.",
        "Die Frist dafür endete am {allowed_until}.",
        "De termijn hiervoor eindigde op {allowed_until}.",
        "Tiden för detta gick ut {allowed_until}.",
    ),
    ReasonCode.FINAL_SALE: _says(
        "{line.title} was sold as final sale.",
        "{line.title} ist vom Umtausch ausgeschlossen.",
        "{line.title} is uitgesloten van retour.",
        "{line.title} såldes utan returrätt.",
    ),
    ReasonCode.ALREADY_RETURNED: _says(
        "{line.title} is already on its way back or was returned.",
        "{line.title} ist schon auf dem Rückweg oder zurückgegeben.",
        "{line.title} is al onderweg terug of teruggestuurd.",
        "{line.title} är redan på väg tillbaka eller återlämnad.",
    ),
    ReasonCode.ALREADY_REFUNDED: _says(
        "This was already paid back.",
        "Das ist schon erstattet.",
        "Dit is al terugbetaald.",
        "Detta är redan återbetalat.",
    ),
    ReasonCode.NOT_FULFILLED: _says(
        "{line.title} was not sent yet.",
        "{line.title} wurde noch nicht verschickt.",
        "{line.title} is nog niet verzonden.",
        "{line.title} har inte skickats än.",
    ),
    ReasonCode.ALREADY_FULFILLED: _says(
        "The order was already sent.",
        "Die Bestellung ist schon verschickt.",
        "De bestelling is al verzonden.",
        "Beställningen har redan skickats.",
    ),
    ReasonCode.ALREADY_CANCELLED: _says(
        "This is already cancelled.", "Das ist schon storniert.", "Dit is al geannuleerd.", "Detta är redan avbeställt."
    ),
    ReasonCode.NOTHING_LEFT: _says(
        "There are not so many units of {line.title} left to return.",
        "So viele Stück von {line.title} können nicht mehr zurückgegeben werden.",
        "Zoveel stuks van {line.title} kunnen niet meer worden teruggestuurd.",
        "Så många av {line.title} finns inte kvar att lämna tillbaka.",
    ),
    ReasonCode.EXCLUDED_PRODUCT: _says(
        "{line.title} is excluded from this.",
        "{line.title} ist davon ausgenommen.",
        "{line.title} is hiervan uitgesloten.",
        "{line.title} omfattas inte av detta.",
    ),
    ReasonCode.EXCLUDED_REGION: _says(
        "This is not offered where the order was sent.",
        "Das wird im Lieferland nicht angeboten.",
        "Dit wordt niet aangeboden in het land van levering.",
        "Detta erbjuds inte i leveranslandet.",
    ),
    ReasonCode.EXCLUDED_SEGMENT: _says(
        "This is not offered for this account.",
        "Das gilt für dieses Konto nicht.",
        "Dit geldt niet voor dit account.",
        "Detta gäller inte för det här kontot.",
    ),
    ReasonCode.CONDITION_NOT_ACCEPTED: _says(
        "Goods in this condition are not taken back.",
        "Ware in diesem Zustand wird nicht zurückgenommen.",
        "Artikelen in deze staat worden niet teruggenomen.",
        "Varor i det här skicket tas inte tillbaka.",
    ),
    ReasonCode.AMOUNT_OVER_LIMIT: _says(
        "{amount} is more than the limit of {limit}.",
        "{amount} ist mehr als {limit}.",
        "{amount} is meer dan {limit}.",
        "{amount} är mer än {limit}.",
    ),
    ReasonCode.VELOCITY_LIMIT: _says(
        "With this, 90 days come to {amount}, more than {limit}.",
        "Damit sind es {amount} in 90 Tagen, mehr als {limit}.",
        "Hiermee komt het in 90 dagen op {amount}, meer dan {limit}.",
        "Med detta blir det {amount} på 90 dagar, mer än {limit}.",
    ),
    ReasonCode.FRAUD_SIGNAL: _says(
        "Something here has to be checked first.",
        "Hier ist zuerst etwas zu prüfen.",
        "Hier moet eerst iets worden nagekeken.",
        "Något här måste kontrolleras först.",
    ),
    ReasonCode.MIN_CYCLES_NOT_MET: _says(
        "{min_cycles} deliveries were agreed; {cycles} are completed.",
        "Vereinbart sind {min_cycles} Lieferungen; {cycles} sind erfolgt.",
        "Afgesproken zijn {min_cycles} leveringen; {cycles} zijn geweest.",
        "{min_cycles} leveranser är avtalade; {cycles} är gjorda.",
    ),
    ReasonCode.CUTOFF_PASSED: _says(
        "The next delivery is already being prepared; changes were possible until {allowed_until}.",
        "Die nächste Lieferung wird schon vorbereitet; Änderungen waren bis {allowed_until} möglich.",
        "De volgende levering wordt al voorbereid; wijzigen kon tot {allowed_until}.",
        "Nästa leverans förbereds redan; ändringar var möjliga till {allowed_until}.",
    ),
    ReasonCode.PAYMENT_PENDING: _says(
        "The payment is not completed yet.",
        "Die Zahlung ist noch nicht abgeschlossen.",
        "De betaling is nog niet afgerond.",
        "Betalningen är inte klar än.",
    ),
    ReasonCode.PAYMENT_DISPUTED: _says(
        "The payment of this order is disputed.",
        "Die Zahlung ist angefochten.",
        "De betaling van deze bestelling wordt betwist.",
        "Betalningen av den här beställningen är bestridd.",
    ),
    ReasonCode.PAUSE_TOO_LONG: _says(
        "A pause can last at most {max_pause} days.",
        "Eine Pause kann höchstens {max_pause} Tage dauern.",
        "Een pauze kan hoogstens {max_pause} dagen duren.",
        "Ett uppehåll kan vara högst {max_pause} dagar.",
    ),
    ReasonCode.FACT_MISSING: _says(
        "Something that is needed to decide this is not known.",
        "Etwas, das dafür nötig ist, ist nicht bekannt.",
        "Iets wat hiervoor nodig is, is niet bekend.",
        "Något som behövs för detta är inte känt.",
    ),
    ReasonCode.UNSUPPORTED_BY_PLATFORM: _says(
        "This shop does not offer that.",
        "Dieser Shop bietet das nicht an.",
        "Deze winkel biedt dat niet aan.",
        "Den här butiken erbjuder inte det.",
    ),
    ReasonCode.MISSING_SCOPE: _says(
        "This shop does not allow that here.",
        "Dieser Shop erlaubt das hier nicht.",
        "Deze winkel staat dat hier niet toe.",
        "Den här butiken tillåter inte det här.",
    ),
    ReasonCode.OTHER: _says("This is not possible.", "Das ist nicht möglich.", "Dit kan niet.", "Det går inte."),
}

NO_RULE: Final = _says(
    "The shop's rules do not allow this.",
    "Die Regeln des Shops sehen das nicht vor.",
    "De regels van de winkel staan dit niet toe.",
    "Butikens regler tillåter inte detta.",
)
NOT_OFFERED: Final = _says(
    "This way to settle it is not offered here.",
    "Diese Lösung wird hier nicht angeboten.",
    "Deze oplossing wordt hier niet aangeboden.",
    "Den lösningen erbjuds inte här.",
)
ALREADY_PAUSED: Final = _says(
    "This subscription is already paused.",
    "Dieses Abo pausiert schon.",
    "Dit abonnement is al gepauzeerd.",
    "Den här prenumerationen har redan uppehåll.",
)
NOT_PAUSED: Final = _says(
    "This subscription is not paused.",
    "Dieses Abo pausiert nicht.",
    "Dit abonnement is niet gepauzeerd.",
    "Den här prenumerationen har inget uppehåll.",
)
IN_PROGRESS: Final = _says(
    "Something is already under way here.",
    "Hier ist schon etwas in Arbeit.",
    "Hier is al iets onderweg.",
    "Något pågår redan här.",
)
NOTHING_TO_REFUND: Final = _says(
    "There is nothing left to pay back on this order.",
    "Bei dieser Bestellung ist nichts mehr zu erstatten.",
    "Van deze bestelling valt niets meer terug te betalen.",
    "Det finns inget kvar att betala tillbaka på den här beställningen.",
)
OVER_WHAT_IS_LEFT: Final = _says(
    "No more than {limit} of this order is left to pay back.",
    "Von dieser Bestellung sind höchstens noch {limit} zu erstatten.",
    "Van deze bestelling valt hoogstens nog {limit} terug te betalen.",
    "Högst {limit} finns kvar att betala tillbaka på den här beställningen.",
)
OVER_LINE: Final = _says(
    "So many units of {line.title} cannot be paid back any more.",
    "So viele Stück von {line.title} können nicht mehr erstattet werden.",
    "Zoveel stuks van {line.title} kunnen niet meer worden terugbetaald.",
    "Så många av {line.title} kan inte längre betalas tillbaka.",
)
REFUNDED_OUTSIDE: Final = _says(
    "Money was paid back on this order elsewhere in the meantime; a person looks at it first.",
    "Bei dieser Bestellung wurde inzwischen an anderer Stelle erstattet; das sieht sich zuerst jemand an.",
    "Van deze bestelling is intussen elders geld terugbetaald; iemand bekijkt dit eerst.",
    "Pengar har under tiden betalats tillbaka på annat håll; någon tittar på det först.",
)
REFUND_NOT_SHOWN: Final = _says(
    "The shop does not show all that was paid back on this order yet; a person looks at it first.",
    "Der Shop zeigt noch nicht alles, was bei dieser Bestellung erstattet wurde; das sieht sich zuerst jemand an.",
    "De winkel toont nog niet alles wat is terugbetaald; iemand bekijkt dit eerst.",
    "Butiken visar ännu inte allt som har betalats tillbaka; någon tittar på det först.",
)
FOREIGN_AMOUNT: Final = _says(
    "The amount is not in the currency this order was paid in.",
    "Der Betrag ist nicht in der Währung, in der diese Bestellung bezahlt wurde.",
    "Het bedrag is niet in de valuta waarin deze bestelling is betaald.",
    "Beloppet är inte i den valuta som beställningen betalades i.",
)
FEE_TEXT: Final = {
    "RESTOCKING_FEE": _says(
        "A restocking fee of {amount} is kept back.",
        "Eine Gebühr von {amount} wird einbehalten.",
        "Er wordt {amount} aan kosten ingehouden.",
        "En avgift på {amount} dras av.",
    ),
    "RETURN_SHIPPING_FEE": _says(
        "{amount} is kept back for the way back.",
        "{amount} werden für die Rücksendung einbehalten.",
        "Voor de retourzending wordt {amount} ingehouden.",
        "{amount} dras av för returfrakten.",
    ),
}
OFFER_TEXT: Final[Mapping[RequestedResolution, Say]] = {
    RequestedResolution.REFUND: _says(
        "A refund instead", "Stattdessen eine Erstattung", "In plaats daarvan geld terug", "En återbetalning i stället"
    ),
    RequestedResolution.STORE_CREDIT: _says(
        "Store credit instead",
        "Stattdessen ein Guthaben",
        "In plaats daarvan een tegoed",
        "Ett tillgodohavande i stället",
    ),
    RequestedResolution.KEEP_ITEM: _says(
        "Keep it and be paid back",
        "Behalten und erstattet bekommen",
        "Houden en geld terugkrijgen",
        "Behåll varan och få pengarna tillbaka",
    ),
}
