"""How a policy file is written: which words it takes, and what to say, at which place, of a mistake."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from babel.numbers import list_currencies
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from policies.conditions import Condition, ConditionError, compile_condition, nearest
from policies.errors import PolicyError, PolicyIssue
from policies.facts import (
    FACTS,
    ORDER_KINDS,
    SUBSCRIPTION_KINDS,
    UNKNOWN,
    Audience,
    FactSpec,
    FactType,
    parse_value,
)
from policies.messages import OWN_NAMES, Say, Template, TemplateError, parse_template
from policies.policy import DEFAULT_APPROVER, DEFAULT_EXPIRES_HOURS, Case, Expectation, Policy
from policies.rules import (
    SCOPE_WORDS,
    Amounts,
    FeeTerms,
    Limit,
    MaxPause,
    MinCycles,
    Offer,
    Per,
    Rule,
    Scope,
    Terms,
    WindowTerms,
)
from policies.windows import Length, Season, Start, Unit, Window
from schema.vocabulary import (
    ActionKind,
    ConditionKind,
    ReasonCode,
    RequestedResolution,
    TimeBasis,
    Verdict,
)

E = TypeVar("E", bound=Enum)
T = TypeVar("T")

#: A file longer than this is refused unread.
MAX_BYTES: Final = 1_000_000
_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_RANGE = re.compile(r"(\d{4}-\d{2}-\d{2})\.\.(\d{4}-\d{2}-\d{2})")
_CURRENCIES: Final = frozenset(list_currencies())

_POLICY_WORDS = ("policy", "stores", "approver", "expires", "rules", "cases")
RULE_WORDS = (
    "id", "action", "per", "for", "when", "unless", "window", "seasons", "overrides", "min_cycles", "max_pause",
    "limit", "over", "then", "on_miss", "on_unknown", "code", "say", "offer", "approver", "expires", "audience",
    "mode",
)  # fmt: skip
_FEE_WORDS = ("fee", "amount", "percent", "per", "waive_when")
_CASE_WORDS = ("name", "now", "store", "facts", "ask", "expect")
_UNITS = {unit.value: unit for unit in Unit}
_FROM = (TimeBasis.ORDERED, TimeBasis.FULFILLED, TimeBasis.DELIVERED)
_STAFF_CODES = frozenset({ReasonCode.AMOUNT_OVER_LIMIT, ReasonCode.VELOCITY_LIMIT, ReasonCode.FRAUD_SIGNAL})


class StoreLike(Protocol):
    """What a policy has to know of a store."""

    @property
    def time_zone(self) -> str: ...
    @property
    def currency_code(self) -> str: ...


class _Wrong(Exception):
    """Something unusable was written down already; give up on this piece and go on."""


def read_policies(path: Path, stores: Mapping[str, StoreLike]) -> tuple[Policy, ...]:
    """Every policy of a file or folder.

    Raises:
        PolicyError: with every mistake of every file.
    """
    if path.is_dir():
        files = sorted([*path.glob("*.yaml"), *path.glob("*.yml")])
    else:
        files = [path]
    if not files:
        raise PolicyError([PolicyIssue(str(path), 1, 1, "there is no policy here", "a policy is a file *.yaml")])
    issues: list[PolicyIssue] = []
    found: list[Policy] = []
    owner: dict[str, str] = {}
    for file in files:
        reader = _Reader(file, stores)
        policy = reader.read()
        issues += reader.issues
        if policy is None:
            continue
        found.append(policy)
        for store in policy.stores:
            if store in owner:
                line, column = reader.store_places[store]
                said = f"the store {store} already has a policy, in {owner[store]}"
                issues.append(PolicyIssue(str(file), line, column, said, "one policy speaks for a store"))
            owner.setdefault(store, file.name)
    if issues:
        raise PolicyError(issues)
    return tuple(found)


class _Reader:
    """Reads one file; mistakes are gathered, so that one look shows them all."""

    def __init__(self, file: Path, stores: Mapping[str, StoreLike]) -> None:
        self.file = file
        self.known_stores = stores
        self.issues: list[PolicyIssue] = []
        self.store_places: dict[str, tuple[int, int]] = {}
        self.stores: tuple[str, ...] = ()
        self.text = ""

    # -- mistakes

    def wrong(self, node: Node | None, message: str, hint: str = "") -> None:
        line, column = (node.start_mark.line + 1, node.start_mark.column + 1) if node is not None else (1, 1)
        self.issues.append(PolicyIssue(str(self.file), line, column, message, hint))

    def stop(self, node: Node | None, message: str, hint: str = "") -> _Wrong:
        self.wrong(node, message, hint)
        return _Wrong()

    # -- shapes

    def mapping(self, node: Node, words: Sequence[str], what: str) -> dict[str, Node]:
        """The values of a mapping by key; words that are not known are told with the nearest that is."""
        found = {key.value: value for key, value in self.pairs(node, what)}
        for key, _ in self.pairs(node, what, quiet=True):
            if key.value not in words:
                self.wrong(key, f"{what} has no word {key.value}", nearest(key.value, list(words)))
        return found

    def pairs(self, node: Node, what: str, quiet: bool = False) -> list[tuple[ScalarNode, Node]]:
        if not isinstance(node, MappingNode):
            raise self.stop(node, f"{what} is a mapping of words to values")
        seen: set[str] = set()
        found: list[tuple[ScalarNode, Node]] = []
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                raise self.stop(key, "a key is one word")
            if key.value in seen and not quiet:
                self.wrong(key, f"{key.value} is written twice")
            seen.add(key.value)
            found.append((key, value))
        return found

    def items(self, node: Node, what: str) -> list[Node]:
        """A list; one thing alone is a list of one."""
        if isinstance(node, SequenceNode):
            return list(node.value)
        if isinstance(node, ScalarNode):
            return [node]
        raise self.stop(node, f"{what} is a list")

    def sequence(self, node: Node, what: str) -> list[Node]:
        if not isinstance(node, SequenceNode):
            raise self.stop(node, f"{what} is a list")
        return list(node.value)

    def scalar(self, node: Node, what: str) -> str:
        if not isinstance(node, ScalarNode) or node.tag == "tag:yaml.org,2002:null":
            raise self.stop(node, f"{what} is one value")
        return str(node.value)

    def text_of(self, node: Node, what: str) -> str:
        text = self.scalar(node, what)
        if not text.strip():
            raise self.stop(node, f"{what} is empty")
        return text

    def number(self, node: Node, what: str, least: int = 1) -> int:
        text = self.scalar(node, what)
        if not re.fullmatch(r"\d{1,6}", text) or int(text) < least:
            raise self.stop(node, f"{what} is a whole number, at least {least}")
        return int(text)

    def word(self, node: Node, enum: type[E], what: str, allowed: Sequence[E] | None = None) -> E:
        text = self.scalar(node, what)
        names = [member.name for member in (allowed or list(enum)) if member.name != "UNKNOWN"]
        if text not in names:
            raise self.stop(node, f"{what} cannot be {text}", nearest(text, names) or f"one of {', '.join(names)}")
        return enum[text]

    def choice(self, node: Node, choices: Mapping[str, T], what: str) -> T:
        text = self.scalar(node, what)
        if text not in choices:
            raise self.stop(node, f"{what} cannot be {text}", nearest(text, choices) or f"one of {', '.join(choices)}")
        return choices[text]

    def day(self, node: Node, what: str, text: str | None = None) -> date:
        try:
            return date.fromisoformat(text or self.scalar(node, what))
        except ValueError:
            raise self.stop(node, f"{what} is a day, such as 2027-01-31") from None

    def attempt(self, read: Callable[[Node], T], node: Node | None) -> T | None:
        """A piece, or None where it is left out or wrong."""
        if node is None:
            return None
        try:
            return read(node)
        except _Wrong:
            return None

    # -- the file

    def read(self) -> Policy | None:
        try:
            if self.file.stat().st_size > MAX_BYTES:
                raise self.stop(None, f"the file has more than {MAX_BYTES} bytes")
            raw = self.file.read_bytes()
            self.text = raw.decode()
        except OSError as error:
            self.wrong(None, f"the policy cannot be read: {error.strerror}")
            return None
        except UnicodeDecodeError:
            self.wrong(None, "the file is not UTF-8 text")
            return None
        except _Wrong:
            return None
        try:
            root = YAML(typ="rt").compose(self.text)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            at = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            self.issues.append(PolicyIssue(str(self.file), at[0], at[1], f"not YAML: {error.problem or error.context}"))
            return None
        except YAMLError as error:
            self.wrong(None, f"not YAML: {error}")
            return None
        if root is None:
            self.wrong(None, "the file is empty")
            return None
        try:
            return self._policy(root, hashlib.sha256(raw).hexdigest())
        except _Wrong:
            return None

    def _policy(self, root: Node, digest: str) -> Policy | None:
        words = self.mapping(root, _POLICY_WORDS, "a policy")
        for needed in ("policy", "stores", "rules"):
            if needed not in words:
                self.wrong(root, f"a policy needs the word {needed}")
        name = self.attempt(lambda node: self._name(node, "the policy's name"), words.get("policy")) or ""
        self.stores = self.attempt(self._stores, words.get("stores")) or ()
        approver = self.attempt(lambda node: self._name(node, "approver"), words.get("approver")) or DEFAULT_APPROVER
        hours = self.attempt(self._hours, words.get("expires")) or DEFAULT_EXPIRES_HOURS
        rules: list[Rule] = []
        ids: set[str] = set()
        for place, node in enumerate(self.attempt(lambda n: self.sequence(n, "rules"), words.get("rules")) or ()):
            rule = self.attempt(lambda n, place=place: self._rule(n, place), node)  # type: ignore[misc]
            if rule is None:
                continue
            if rule.id in ids:
                self.wrong(node, f"there are two rules {rule.id}")
            ids.add(rule.id)
            rules.append(rule)
        cases: list[Case] = []
        for node in self.attempt(lambda n: self.sequence(n, "cases"), words.get("cases")) or ():
            case = self.attempt(lambda n: self._case(n, ids), node)
            if case is not None:
                cases.append(case)
        if self.issues:
            return None
        return Policy(
            name, digest, str(self.file), self.stores, tuple(rules), tuple(cases), approver, hours,
            {kind: tuple(rule for rule in rules if kind in rule.actions) for kind in ActionKind},
            {kind: tuple(r for r in rules if kind in r.actions and not r.shadow) for kind in ActionKind},
        )  # fmt: skip

    def _name(self, node: Node, what: str) -> str:
        text = self.text_of(node, what)
        if not _ID.fullmatch(text):
            raise self.stop(node, f"{what} has small letters, digits, - and _")
        return text

    def _stores(self, node: Node) -> tuple[str, ...]:
        found: list[str] = []
        for item in self.items(node, "stores"):
            key = self.scalar(item, "a store")
            if key not in self.known_stores:
                self.wrong(item, f"there is no store {key}", nearest(key, list(self.known_stores)))
            elif key in found:
                self.wrong(item, f"the store {key} is named twice")
            else:
                found.append(key)
                self.store_places[key] = (item.start_mark.line + 1, item.start_mark.column + 1)
        return tuple(found)

    def _hours(self, node: Node) -> int:
        length = self._length(node, "expires")
        if length.unit not in (Unit.HOURS, Unit.DAYS):
            raise self.stop(node, "expires is counted in hours or days")
        return length.count * (24 if length.unit is Unit.DAYS else 1)

    # -- pieces of a rule

    def _length(self, node: Node, what: str, more: Sequence[str] = (), units: Iterable[str] = _UNITS) -> Length:
        allowed = [*units, *more]
        words = self.mapping(node, allowed, what)
        given = [word for word in words if word in _UNITS]
        if len(given) != 1:
            raise self.stop(node, f"{what} has one of {', '.join(units)}")
        return Length(self.number(words[given[0]], given[0]), _UNITS[given[0]])

    def _scope(self, node: Node) -> Scope:
        checks: list[tuple[str, str, frozenset[str]]] = []
        for key, value in self.pairs(node, "for"):
            if key.value not in SCOPE_WORDS:
                self.wrong(key, f"for has no word {key.value}", nearest(key.value, list(SCOPE_WORDS)))
                continue
            values: set[str] = set()
            for item in self.items(value, key.value):
                text = self.text_of(item, key.value)
                if key.value == "stores" and text not in self.stores:
                    self.wrong(item, f"the policy has no store {text}", ", ".join(self.stores))
                elif key.value == "resolutions":
                    self.word(item, RequestedResolution, "a resolution")
                elif key.value == "countries" and not re.fullmatch(r"[A-Z]{2}", text):
                    self.wrong(item, f"{text} is no country", "two capital letters of ISO 3166-1, such as DE")
                values.add(text.casefold())
            if not values:
                self.wrong(value, f"{key.value} names nothing")
            checks.append((key.value, SCOPE_WORDS[key.value], frozenset(values)))
        return Scope(tuple(checks))

    def _condition(self, node: Node, what: str) -> Condition:
        text = self.text_of(node, what)
        try:
            return compile_condition(text)
        except ConditionError as error:
            mark = node.start_mark
            line, column = mark.line + error.line, error.column
            style = getattr(node, "style", None)
            if style in ("|", ">"):
                line += 1
            elif error.line == 1:
                column += mark.column + (1 if style in ("'", '"') else 0)
            self.issues.append(PolicyIssue(str(self.file), line, column, f"{what}: {error.message}", error.hint))
            raise _Wrong from None

    def _say(self, node: Node) -> Say:
        if isinstance(node, MappingNode):
            found: dict[str, Template] = {}
            for key, value in self.pairs(node, "say"):
                if not re.fullmatch(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*", key.value):
                    self.wrong(key, f"{key.value} is no locale", "such as en or de-AT")
                found[key.value] = self._template(value)
            if not found:
                raise self.stop(node, "say has no text")
            return found
        return {"": self._template(node)}

    def _template(self, node: Node) -> Template:
        text = self.text_of(node, "say")
        try:
            return parse_template(text)
        except TemplateError as error:
            hint = nearest(error.name, [*OWN_NAMES, *FACTS]) if error.name else ""
            raise self.stop(node, str(error), hint) from None

    def currencies(self, scope: Scope) -> dict[str, str]:
        """The currency of each store a rule speaks for, of those that are known."""
        only = scope.values("stores")
        return {
            key: currency
            for key in self.stores
            if only is None or key.casefold() in only
            if (currency := str(self.known_stores[key].currency_code or "XXX")) != "XXX"
        }

    def _amount(self, node: Node, what: str) -> Decimal:
        text = self.scalar(node, what)
        try:
            amount = Decimal(text)
        except InvalidOperation:
            raise self.stop(node, f"{what} is an amount, such as 4.95") from None
        if not amount.is_finite() or amount < 0:
            raise self.stop(node, f"{what} is an amount, not below 0")
        return amount

    def _amounts(self, node: Node, what: str, scope: Scope) -> Amounts:
        """Amounts by currency. A bare one is right only where all the rule's stores share one known currency."""
        by_store = self.currencies(scope)
        distinct = sorted(set(by_store.values()))
        if isinstance(node, ScalarNode):
            amount = self._amount(node, what)
            only = scope.values("stores")
            unknown = [s for s in self.stores if s not in by_store and (only is None or s.casefold() in only)]
            if len(distinct) != 1 or unknown:
                names = ", ".join(distinct) or "none that is known"
                example = ", ".join(f"{currency}: {amount}" for currency in distinct) or f"USD: {amount}"
                raise self.stop(
                    node, f"{what} is a bare amount, but the rule's stores have several currencies: {names}",
                    f"write {{{example}}}",
                )  # fmt: skip
            return {distinct[0]: amount}
        found: dict[str, Decimal] = {}
        for key, value in self.pairs(node, what):
            if key.value not in _CURRENCIES:
                self.wrong(key, f"{key.value} is no currency", nearest(key.value, distinct or sorted(_CURRENCIES)))
                continue
            found[key.value] = self._amount(value, what)
        for store, currency in by_store.items():
            if currency not in found:
                self.wrong(node, f"{what} has no amount in {currency}, the currency of the store {store}")
        return found

    # -- a rule

    def _rule(self, node: Node, place: int) -> Rule:
        words = self.mapping(node, RULE_WORDS, "a rule")
        for needed in ("id", "action"):
            if needed not in words:
                self.wrong(node, f"a rule needs the word {needed}")
        known = len(self.issues)
        get = words.get
        rule_id = self.attempt(lambda n: self._name(n, "a rule's id"), get("id")) or ""
        actions = self.attempt(self._actions, get("action")) or frozenset()
        scope = self.attempt(self._scope, get("for")) or Scope()
        when = self.attempt(lambda n: self._condition(n, "when"), get("when"))
        unless = self.attempt(lambda n: self._condition(n, "unless"), get("unless"))
        code = self.attempt(lambda n: self.word(n, ReasonCode, "code"), get("code"))
        say = self.attempt(self._say, get("say"))
        terms, default_code = self._terms(node, words, scope, actions)
        then = self._then(node, words, terms)
        on_miss = self._adverse(get("over") if isinstance(terms, Limit) else get("on_miss"), Verdict.DENY)
        on_unknown = self._adverse(get("on_unknown"), Verdict.REVIEW)
        offers = self.attempt(self._offers, get("offer")) or ()
        self._belongs(node, words, terms, then, actions)
        per_line = self._per_line(words, terms, scope, when, unless, offers, actions)
        audience = self.attempt(
            lambda n: self.choice(n, {each.value: each for each in Audience}, "audience"), get("audience")
        )
        if audience is None:
            staff = isinstance(terms, Limit) or code in _STAFF_CODES
            audience = Audience.STAFF if staff else Audience.EVERYONE
        shadow = self.attempt(lambda n: self.choice(n, {"shadow": True, "live": False}, "mode"), get("mode")) or False
        approver = self.attempt(lambda n: self._name(n, "approver"), get("approver"))
        hours = self.attempt(self._hours, get("expires"))
        conditions = [each for each in (when, unless) if each is not None]
        more = [offer.when for offer in offers if offer.when is not None]
        if isinstance(terms, FeeTerms) and terms.waive_when is not None:
            conditions.append(terms.waive_when)
        for condition, key in [*((each, "") for each in conditions), *((each, "offer") for each in more)]:
            self._facts_fit(words, condition, key, actions, scope, terms)
        if say is not None:
            self._say_fits(get("say"), say, audience, actions, terms, per_line)
        if len(self.issues) > known or not actions:
            raise _Wrong
        named = dict.fromkeys(scope.facts)
        for condition in conditions:
            named.update(dict.fromkeys(condition.facts))
        if isinstance(terms, MinCycles):
            named["subscription.cycles_completed"] = None
        if isinstance(terms, MaxPause):
            named["request.pause_days"] = None
        if isinstance(terms, WindowTerms):
            for override, _ in terms.overrides:
                named.update(dict.fromkeys(override.facts))
        counts_from: tuple[str, ...] = ()
        if isinstance(terms, WindowTerms):
            counts_from = tuple(start.fact(per_line) for start in terms.window.starts)
            if terms.seasons:
                counts_from = tuple(dict.fromkeys((*counts_from, "order.placed_at")))
        resolutions = scope.resolutions | (when.resolutions if when is not None else frozenset())
        return Rule(
            id=rule_id, place=place, actions=actions, per_line=per_line, scope=scope, when=when, unless=unless,
            terms=terms, then=then, on_miss=on_miss, on_unknown=on_unknown, code=code or default_code, say=say,
            offers=offers, approver=approver, expires_hours=hours, audience=audience, shadow=shadow,
            line=node.start_mark.line + 1, named=tuple(named), counts_from=counts_from, resolutions=resolutions,
            returns=ActionKind.RETURN_ORDER in actions,
        )  # fmt: skip

    def _actions(self, node: Node) -> frozenset[ActionKind]:
        found = frozenset(self.word(item, ActionKind, "an action") for item in self.items(node, "action"))
        if not found:
            raise self.stop(node, "action names nothing")
        if found & ORDER_KINDS and found & SUBSCRIPTION_KINDS:
            raise self.stop(node, "one rule speaks either of orders or of subscriptions")
        return found

    def _adverse(self, node: Node | None, default: Verdict) -> Verdict:
        found = self.attempt(lambda n: self.word(n, Verdict, "this verdict", (Verdict.DENY, Verdict.REVIEW)), node)
        return found or default

    def _terms(
        self, node: Node, words: Mapping[str, Node], scope: Scope, actions: frozenset[ActionKind]
    ) -> tuple[Terms, ReasonCode]:
        given = [word for word in ("window", "min_cycles", "max_pause", "limit") if word in words]
        if isinstance(words.get("then"), MappingNode):
            given.append("then")
        if len(given) > 1:
            self.wrong(words[given[1]], f"one rule has either {given[0]} or {given[1]}", "write two rules")
        if not given:
            return None, ReasonCode.OTHER
        value = words[given[0]]
        match given[0]:
            case "window":
                terms = self.attempt(lambda n: self._window(n, words), value)
                before = terms is not None and terms.window.before
                return terms, ReasonCode.CUTOFF_PASSED if before else ReasonCode.WINDOW_EXPIRED
            case "min_cycles":
                cycles = self.attempt(lambda n: self.number(n, "min_cycles"), value)
                return MinCycles(cycles or 1), ReasonCode.MIN_CYCLES_NOT_MET
            case "max_pause":
                length = self.attempt(lambda n: self._length(n, "max_pause", units=("days",)), value)
                return MaxPause(length.count if length else 1), ReasonCode.PAUSE_TOO_LONG
            case "limit":
                limit = self.attempt(lambda n: self._limit(n, scope), value)
                return limit or Limit(), ReasonCode.OTHER
            case _:
                return self.attempt(lambda n: self._fee(n, scope), value), ReasonCode.OTHER

    def _then(self, node: Node, words: Mapping[str, Node], terms: Terms) -> Verdict | None:
        value = words.get("then")
        if isinstance(terms, Limit):
            if value is not None:
                self.wrong(value, "a limit only holds back", "write over: REVIEW or over: DENY")
            return None
        if isinstance(terms, FeeTerms) or isinstance(value, MappingNode):
            return None
        if value is not None:
            return self.attempt(lambda n: self.word(n, Verdict, "then"), value)
        if terms is None and not {"window", "min_cycles", "max_pause", "limit"} & set(words):
            self.wrong(node, "the rule says nothing", "it needs then, window, limit, min_cycles or max_pause")
            return None
        return Verdict.ALLOW

    def _belongs(
        self, node: Node, words: Mapping[str, Node], terms: Terms, then: Verdict | None, actions: frozenset[ActionKind]
    ) -> None:
        """Words that would be passed over in silence are refused."""
        only: Mapping[str, tuple[bool, str]] = {
            "seasons": (isinstance(terms, WindowTerms), "a window"),
            "overrides": (isinstance(terms, WindowTerms), "a window"),
            "on_miss": (isinstance(terms, WindowTerms | MinCycles | MaxPause), "a window, min_cycles or max_pause"),
            "over": (isinstance(terms, Limit), "a limit"),
            "offer": (actions <= {ActionKind.RETURN_ORDER} and not isinstance(terms, Limit | FeeTerms), "a return"),
        }
        failed = {"window", "limit"} & set(words) and terms is None
        for word, (right, what) in only.items():
            if word in words and not right and not failed and not isinstance(words.get("then"), MappingNode):
                self.wrong(words[word], f"{word} belongs to {what}")
        if isinstance(terms, Limit) and "over" not in words:
            self.wrong(node, "a limit needs the word over", "over: REVIEW or over: DENY")
        if isinstance(terms, MinCycles) and not actions <= SUBSCRIPTION_KINDS:
            self.wrong(words["min_cycles"], "min_cycles belongs to subscriptions")
        if isinstance(terms, MaxPause) and actions != {ActionKind.PAUSE_SUBSCRIPTION}:
            self.wrong(words["max_pause"], "max_pause belongs to PAUSE_SUBSCRIPTION")
        if isinstance(terms, FeeTerms) and actions != {ActionKind.RETURN_ORDER}:
            self.wrong(words["then"], "a fee belongs to RETURN_ORDER")
        if isinstance(terms, Limit) and not actions <= ORDER_KINDS:
            self.wrong(words["limit"], "a limit belongs to orders")
        if isinstance(terms, WindowTerms) and actions:
            billing = terms.window.before
            if billing and not actions <= SUBSCRIPTION_KINDS:
                self.wrong(words["window"], "only subscriptions have a next billing")
            if not billing and not actions <= ORDER_KINDS:
                self.wrong(words["window"], "only orders are ordered, fulfilled and delivered", "before: NEXT_BILLING")
            if billing and "seasons" in words:
                self.wrong(words["seasons"], "seasons belong to windows that count from an order")

    def _per_line(
        self,
        words: Mapping[str, Node],
        terms: Terms,
        scope: Scope,
        when: Condition | None,
        unless: Condition | None,
        offers: Sequence[Offer],
        actions: frozenset[ActionKind],
    ) -> bool:
        """Whether the rule is asked of each line: written so, or because it speaks of lines."""
        named = [*scope.facts]
        for condition in (when, unless, terms.waive_when if isinstance(terms, FeeTerms) else None):
            if condition is not None:
                named += condition.facts
        if isinstance(terms, WindowTerms):
            for override, _ in terms.overrides:
                named += override.facts
        of_lines = [name for name in named if FACTS[name].per_line]
        counts = isinstance(terms, WindowTerms) and any(
            start.basis in (TimeBasis.DELIVERED, TimeBasis.FULFILLED) for start in terms.window.starts
        )
        fee = isinstance(terms, FeeTerms) and (terms.per is not Per.REQUEST or terms.percent is not None)
        returns = actions == {ActionKind.RETURN_ORDER}
        inferred = bool(of_lines) or (returns and (counts or fee))
        if "per" not in words:
            return inferred
        written = self.attempt(lambda n: self.choice(n, {"line": True, "request": False}, "per"), words["per"])
        if written is False and of_lines:
            self.wrong(words["per"], f"a rule per request cannot speak of a line: {of_lines[0]}", "per: line")
        if written and not actions <= ORDER_KINDS:
            self.wrong(words["per"], "only orders have lines")
        return bool(written)

    def _facts_fit(
        self,
        words: Mapping[str, Node],
        condition: Condition,
        key: str,
        actions: frozenset[ActionKind],
        scope: Scope,
        terms: Terms,
    ) -> None:
        node = words.get(key) if key else next(
            (words[w] for w in ("when", "unless", "then") if w in words and condition.source in _source(words[w])), None
        )  # fmt: skip
        for name in condition.facts:
            spec = FACTS[name]
            missing = [kind.name for kind in ActionKind if kind in actions - spec.actions]
            if missing:
                self.wrong(node, f"{name} is not known for {missing[0]}")
            if spec.window_only and (key != "offer" or not isinstance(terms, WindowTerms)):
                self.wrong(node, f"{name} is known only in the offer of a rule with a window")
            if spec.type is FactType.MONEY and len(currencies := set(self.currencies(scope).values())) > 1:
                self.wrong(
                    node,
                    f"{name} is compared with a bare amount, but the rule's stores have several currencies: "
                    f"{', '.join(sorted(currencies))}",
                    "use limit, or write one rule for the stores of each currency",
                )

    def _say_fits(
        self,
        node: Node | None,
        say: Say,
        audience: Audience,
        actions: frozenset[ActionKind],
        terms: Terms,
        per_line: bool,
    ) -> None:
        for name in dict.fromkeys(name for template in say.values() for name in template.names):
            spec = FACTS.get(name)
            if spec is None:
                if not _told_by(name, terms):
                    self.wrong(node, f"this rule does not know {{{name}}}")
                continue
            if spec.audience is Audience.STAFF and audience is not Audience.STAFF:
                self.wrong(node, f"{name} is for staff, and this message is not", "audience: staff")
            if actions - spec.actions:
                self.wrong(node, f"{name} is not known for every action of the rule")
            if spec.per_line and not per_line:
                self.wrong(node, f"a rule per request cannot speak of a line: {name}", "per: line")

    def _window(self, node: Node, words: Mapping[str, Node]) -> WindowTerms:
        length = self._length(node, "window", ("from", "before", "else"))
        parts = {key.value: value for key, value in self.pairs(node, "window", quiet=True)}
        if ("from" in parts) == ("before" in parts):
            raise self.stop(node, "a window has either from or before", "from: DELIVERED or before: NEXT_BILLING")
        if "before" in parts:
            self.word(parts["before"], TimeBasis, "before", (TimeBasis.NEXT_BILLING,))
            if "else" in parts:
                raise self.stop(parts["else"], "else belongs to from")
            window = Window(length, (Start(TimeBasis.NEXT_BILLING),), before=True)
        else:
            starts = [Start(self.word(parts["from"], TimeBasis, "from", _FROM))]
            for item in self.sequence(parts["else"], "else") if "else" in parts else ():
                step = self.mapping(item, ("from", "plus_days"), "else")
                if "from" not in step:
                    raise self.stop(item, "each step of else has from")
                basis = self.word(step["from"], TimeBasis, "from", _FROM)
                if any(start.basis is basis for start in starts):
                    self.wrong(item, f"{basis.name} stands earlier in the chain, so this is never reached")
                plus = self.number(step["plus_days"], "plus_days", 0) if "plus_days" in step else 0
                starts.append(Start(basis, plus))
            window = Window(length, tuple(starts))
        seasons = tuple(
            self._season(item) for item in self.sequence(words["seasons"], "seasons")
        ) if "seasons" in words else ()  # fmt: skip
        overrides: list[tuple[Scope, Length]] = []
        for item in self.sequence(words["overrides"], "overrides") if "overrides" in words else ():
            override = self.mapping(item, ("for", *_UNITS), "an override")
            if "for" not in override:
                raise self.stop(item, "an override has for")
            scope = self._scope(override["for"])
            for earlier, _ in overrides:
                if earlier.covers(scope):
                    self.wrong(item, "this override is never reached: an earlier one matches first", "put it first")
                    break
            overrides.append((scope, self._length(item, "an override", ("for",))))
        return WindowTerms(window, seasons, tuple(overrides))

    def _season(self, node: Node) -> Season:
        words = self.mapping(node, ("ordered", "until"), "a season")
        if set(words) != {"ordered", "until"}:
            raise self.stop(node, "a season has ordered and until")
        span = _RANGE.fullmatch(self.scalar(words["ordered"], "ordered"))
        if not span:
            raise self.stop(words["ordered"], "ordered is two days, such as 2026-11-01..2026-12-24")
        first, last = (self.day(words["ordered"], "ordered", text) for text in span.groups())
        until = self.day(words["until"], "until")
        if last < first or until < last:
            raise self.stop(node, "a season runs forward: first day, last day, until")
        return Season(first, last, until)

    def _limit(self, node: Node, scope: Scope) -> Limit:
        words = self.mapping(node, ("request", "customer_90d", "refunds_90d", "returns_90d"), "limit")
        if not words:
            raise self.stop(node, "a limit names nothing")
        return Limit(
            self._amounts(words["request"], "request", scope) if "request" in words else None,
            self._amounts(words["customer_90d"], "customer_90d", scope) if "customer_90d" in words else None,
            self.number(words["refunds_90d"], "refunds_90d") if "refunds_90d" in words else None,
            self.number(words["returns_90d"], "returns_90d") if "returns_90d" in words else None,
        )

    def _fee(self, node: Node, scope: Scope) -> FeeTerms:
        words = self.mapping(node, _FEE_WORDS, "then")
        if "fee" not in words:
            raise self.stop(node, "then is a verdict, or a mapping with fee")
        kinds = (ConditionKind.RESTOCKING_FEE, ConditionKind.RETURN_SHIPPING_FEE)
        kind = self.word(words["fee"], ConditionKind, "fee", kinds)
        if ("amount" in words) == ("percent" in words):
            raise self.stop(node, "a fee has either amount or percent")
        per = Per.LINE
        if "per" in words:
            per = self.choice(words["per"], {each.value: each for each in Per}, "per")
        elif kind is ConditionKind.RETURN_SHIPPING_FEE:
            per = Per.REQUEST
        amounts = percent = None
        if "amount" in words:
            amounts = self._amounts(words["amount"], "amount", scope)
        else:
            percent = self._amount(words["percent"], "percent")
            if percent > 100:
                raise self.stop(words["percent"], "percent is at most 100")
            if "per" in words and per is not Per.LINE:
                raise self.stop(words["per"], "a percentage is of each line's value", "leave per out")
            per = Per.LINE
        waive = self._condition(words["waive_when"], "waive_when") if "waive_when" in words else None
        return FeeTerms(kind, amounts, percent, per, waive)

    def _offers(self, node: Node) -> tuple[Offer, ...]:
        found: list[Offer] = []
        for item in self.sequence(node, "offer"):
            words = self.mapping(item, ("resolution", "when", "label"), "an offer")
            if "resolution" not in words:
                raise self.stop(item, "an offer has resolution")
            resolution = self.word(words["resolution"], RequestedResolution, "resolution")
            when = self._condition(words["when"], "when") if "when" in words else None
            label = self._say(words["label"]) if "label" in words else None
            if label is not None and any(template.names for template in label.values()):
                self.wrong(words["label"], "a label names no facts")
            found.append(Offer(resolution, when, label))
        return tuple(found)

    # -- a case

    def _case(self, node: Node, rule_ids: set[str]) -> Case:
        words = self.mapping(node, _CASE_WORDS, "a case")
        for needed in ("name", "ask", "expect"):
            if needed not in words:
                raise self.stop(node, f"a case needs the word {needed}")
        name = self.text_of(words["name"], "name")
        now = EXAMPLE_NOW
        if "now" in words:
            now = self._instant(words["now"])
        store = self.stores[0] if self.stores else ""
        if "store" in words:
            store = self.choice(words["store"], {key: key for key in self.stores}, "store")
        currency = str(self.known_stores[store].currency_code) if store in self.known_stores else "XXX"
        ask = self.mapping(words["ask"], ("action", *_ASKED), "ask")
        if "action" not in ask:
            raise self.stop(words["ask"], "ask has action")
        kind = self.word(ask["action"], ActionKind, "action")
        given: dict[str, Any] = {}
        for key, value in self.pairs(words["facts"], "facts") if "facts" in words else ():
            spec = FACTS.get(key.value)
            if spec is None or spec.window_only:
                self.wrong(key, f"there is no fact {key.value}", nearest(key.value, FACTS))
                continue
            given[key.value] = self._fact_value(value, spec, currency)
        for word, fact in _ASKED.items():
            if word in ask:
                given[fact] = self._fact_value(ask[word], FACTS[fact], currency)
                if kind not in FACTS[fact].actions:
                    self.wrong(ask[word], f"{word} is not asked with {kind.name}")
        if given.get("request.pause_days") is UNKNOWN:
            given["request.open_ended"] = True
        expect = self.mapping(words["expect"], ("verdict", "rule", "code", "fee", "shadow"), "expect")
        if "verdict" not in expect:
            raise self.stop(words["expect"], "expect has verdict")
        for which in ("rule", "shadow"):
            if which in expect and (rule := self.scalar(expect[which], which)) not in {*rule_ids, "built-in"}:
                self.wrong(expect[which], f"there is no rule {rule}", nearest(rule, sorted(rule_ids)))
        return Case(
            name, now, store, kind, given,
            Expectation(
                self.word(expect["verdict"], Verdict, "verdict"),
                self.scalar(expect["rule"], "rule") if "rule" in expect else None,
                self.word(expect["code"], ReasonCode, "code") if "code" in expect else None,
                self.scalar(expect["fee"], "fee") if "fee" in expect else None,
                self.scalar(expect["shadow"], "shadow") if "shadow" in expect else None,
            ),
            node.start_mark.line + 1,
        )  # fmt: skip

    def _instant(self, node: Node) -> datetime:
        try:
            found = datetime.fromisoformat(self.scalar(node, "now"))
            if found.tzinfo is None:
                raise ValueError
        except ValueError:
            raise self.stop(node, "now is an instant with its zone, such as 2026-11-23T10:00:00Z") from None
        return found

    def _fact_value(self, node: Node, spec: FactSpec, currency: str) -> Any:
        if isinstance(node, SequenceNode):
            text = ",".join(self.scalar(item, spec.name) for item in node.value) or "[]"
        else:
            text = self.scalar(node, spec.name)
        try:
            return parse_value(spec, text, currency)
        except ValueError as error:
            raise self.stop(node, str(error)) from None


#: The words of a case's `ask`, and the fact each gives.
_ASKED: Final[Mapping[str, str]] = {
    "reason": "request.reason",
    "condition": "request.condition",
    "quantity": "request.quantity",
    "resolution": "request.resolution",
    "refund": "request.refund",
    "amount": "request.amount",
    "pause_days": "request.pause_days",
}
#: Where a case names no `now`: shortly after the example facts.
EXAMPLE_NOW: Final = datetime.fromisoformat("2026-05-11T09:30:00+00:00")

_TOLD: Final[Mapping[type, frozenset[str]]] = {
    WindowTerms: frozenset({"days", "length", "allowed_until", "days_late"}),
    MinCycles: frozenset({"cycles", "min_cycles"}),
    MaxPause: frozenset({"max_pause"}),
    Limit: frozenset({"amount", "limit"}),
    FeeTerms: frozenset({"amount"}),
}


def _told_by(name: str, terms: Terms) -> bool:
    return name in _TOLD.get(type(terms), frozenset())


def _source(node: Node) -> str:
    """The text below a node, to tell which word a condition stands in."""
    if isinstance(node, ScalarNode):
        return str(node.value)
    return " ".join(_source(value) for _, value in node.value) if isinstance(node, MappingNode) else ""
