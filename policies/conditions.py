"""How a CEL condition is compiled and answered in three values; the only module that knows the CEL runtime."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, TypeAlias

from cel_expr_python import cel  # type: ignore[import-untyped]

from policies.facts import (
    ENUMS,
    FACTS,
    OF_REQUEST,
    SETS,
    UNKNOWN,
    UNSAID,
    Absent,
    Facts,
    FactSpec,
    FactType,
    words,
)
from schema.vocabulary import RequestedResolution


class Open(Enum):
    """A condition that is neither true nor false."""

    #: A fact it needs is not known.
    UNKNOWN = "unknown"
    #: It could not be worked out, such as a division by zero.
    ERROR = "error"


Truth: TypeAlias = "bool | Open"

#: How the runtime begins the text of the one outcome that means "a fact was left out". Other errors share the word
#: UNKNOWN, so nothing shorter will do.
UNKNOWN_FACT: Final = 'UNKNOWN: No value with name "'

WORDS: Final[Mapping[str, tuple[type[Enum], ...]]] = words()

#: So many answers a condition keeps.
_MEMORY: Final = 1024

_TYPES: Final = {
    FactType.TEXT: cel.Type.STRING,
    FactType.TEXTS: cel.Type.List(cel.Type.STRING),
    FactType.INT: cel.Type.INT,
    FactType.BOOL: cel.Type.BOOL,
    FactType.TIME: cel.Type.TIMESTAMP,
    FactType.MONEY: cel.Type.DOUBLE,
}
_TOKEN = re.compile(
    r"""(?P<skip>r?'''.*?'''|r?\"\"\".*?\"\"\"|r?'(?:\\.|[^'\\])*'|r?"(?:\\.|[^"\\])*"|//[^\n]*)"""
    r"""|(?P<name>[A-Za-z_]\w*(?:\s*\.\s*[A-Za-z_]\w*)*)"""
    r"""|(?P<number>\b\d+(?:\.\d+)?\b)""",
    re.DOTALL,
)
#: A comparison of the request's amount with a number that stands alone: where it turns is known.
_TURNS = re.compile(
    r"request\s*\.\s*amount\s*(?:<=|>=|==|!=|<|>)\s*(\d+\.\d+)(?![\d.])(?!\s*[-+*/%?])"
    r"|(?<![\w.])(\d+\.\d+)\s*(?:<=|>=|==|!=|<|>)\s*request\s*\.\s*amount(?!\s*[-+*/%?])"
)
_BEFORE_SUM = re.compile(r"[-+*/%]\s*$")
_AMOUNT = re.compile(r"\brequest\s*\.\s*amount\b")
_WHERE = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_BARE_NUMBER = re.compile(r"\((?:double, int|int, double)\)")
_NOT_A_WORD = re.compile(r"\((\w+), string\)|\(string, (\w+)\)")


class ConditionError(ValueError):
    """A condition that cannot be used. Line and column count from 1, inside its own text."""

    def __init__(self, message: str, line: int, column: int, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.line, self.column, self.hint = message, line, column, hint


def _environments() -> tuple[Any, Any]:
    """One in which every vocabulary is a type of its own, to check in; one in which words are texts, to run in."""
    kinds = {enum: cel.Type.AbstractType(enum.__name__) for enum in ENUMS}
    check: dict[str, Any] = {}
    run: dict[str, Any] = {}
    for spec in FACTS.values():
        kind = spec.type
        check[spec.name] = _TYPES[kind] if isinstance(kind, FactType) else kinds[kind]
        run[spec.name] = _TYPES[kind] if isinstance(kind, FactType) else cel.Type.STRING
    for word, enums in WORDS.items():
        # A word of several vocabularies takes the type of what it is compared with.
        check[word] = kinds[enums[0]] if len(enums) == 1 else cel.Type.DYN
        run[word] = cel.Type.STRING
    for name, members in SETS.items():
        check[name] = cel.Type.List(kinds[type(members[0])])
        run[name] = cel.Type.List(cel.Type.STRING)
    return cel.NewEnv(variables=check), cel.NewEnv(variables=run)


@lru_cache(maxsize=1)
def environments() -> tuple[Any, Any]:
    return _environments()


def _to_cel(spec: FactSpec) -> Callable[[Any], Any] | None:
    kind = spec.type
    if kind is FactType.MONEY:
        return lambda money: float(money.amount)
    if isinstance(kind, FactType):
        return None
    return attrgetter("_name_")  # as `name`, without the detour of its property


@dataclass(frozen=True, slots=True)
class Condition:
    """A checked condition. `truth` answers True, False, or why neither."""

    source: str
    #: The facts it names.
    facts: tuple[str, ...]
    #: The bare words and sets it names.
    words: frozenset[str]
    #: The whole numbers it names.
    numbers: frozenset[int]
    #: The amounts at which its answer can turn; None where it weighs the request's amount in another way.
    turns: frozenset[Decimal] | None
    _program: Any
    _readers: tuple[tuple[str, Callable[[Any], Any] | None], ...]
    _constants: Mapping[str, Any]
    #: Answers by the values of the facts: a condition is a pure function of them.
    _known: dict[tuple[Any, ...], Truth]

    @property
    def claims(self) -> tuple[str, ...]:
        """The facts it names that nobody has checked."""
        return tuple(name for name in self.facts if FACTS[name].claim)

    @property
    def resolutions(self) -> frozenset[RequestedResolution]:
        return frozenset(each for each in RequestedResolution if each.name in self.words)

    @property
    def asks(self) -> bool:
        """Whether it looks at what is asked, not only at what it is asked of."""
        return any(name in OF_REQUEST for name in self.facts)

    def values(self, facts: Facts) -> tuple[Any, ...]:
        """All it looks at besides what is asked, as it is compared."""
        found: list[Any] = []
        for name, convert in self._readers:
            if name not in OF_REQUEST:
                value = facts[name]
                if isinstance(value, list):
                    value = tuple(value)
                found.append(value if convert is None or isinstance(value, Absent) else convert(value))
        return tuple(found)

    def truth(self, facts: Facts, window: Mapping[str, Any] | None = None) -> Truth:
        """The answer over these facts; `window` has what only the rule's own window knows."""
        values: list[Any] = []
        unsaid = False
        for name, convert in self._readers:
            value = window[name] if window is not None and name in window else facts[name]
            if isinstance(value, Absent):
                unsaid = unsaid or value is UNSAID
                values.append(UNKNOWN)
            elif convert is None:
                values.append(tuple(value) if isinstance(value, list) else value)
            else:
                values.append(convert(value))
        key = tuple(values)
        truth = self._known.get(key)
        if truth is None:
            truth = self._evaluate(key)
            if len(self._known) >= _MEMORY:
                self._known.clear()
            self._known[key] = truth
        if unsaid and truth is Open.UNKNOWN:
            for name, _ in self._readers:
                if facts[name] is UNSAID:
                    detail = FACTS[name].request
                    assert detail is not None
                    facts.touch(detail)
        return truth

    def _evaluate(self, values: tuple[Any, ...]) -> Truth:
        data = dict(self._constants)
        for (name, _), value in zip(self._readers, values, strict=True):
            if value is not UNKNOWN:
                data[name] = list(value) if isinstance(value, tuple) else value
        answer = self._program.eval(data=data)
        value = answer.value()
        if answer.type() == cel.Type.BOOL and isinstance(value, bool):
            return value
        if answer.type() == cel.Type.ERROR and isinstance(value, str) and value.startswith(UNKNOWN_FACT):
            return Open.UNKNOWN
        return Open.ERROR


def _turns(source: str) -> frozenset[Decimal] | None:
    found = [match for match in _TURNS.finditer(source) if not _BEFORE_SUM.search(source[: match.start()])]
    if len(found) != len(_AMOUNT.findall(source)):
        return None
    return frozenset(Decimal(match[1] or match[2]) for match in found)


def _normal(name: str) -> str:
    return re.sub(r"\s", "", name)


def nearest(word: str, known: Mapping[str, Any] | tuple[str, ...] | list[str]) -> str:
    """The known word most like this one, as a hint; empty where none is close."""
    found = [each for each in known if sorted(each.lower()) == sorted(word.lower())]  # letters swapped, or their case
    if not found:
        found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"did you mean {found[0]}?" if found else ""


def compile_condition(source: str) -> Condition:
    """A condition from its text.

    Raises:
        ConditionError: it does not parse, names what does not exist, mixes types, or is not a yes-or-no question.
    """
    check, run = environments()
    try:
        checked = check.compile(source)
    except RuntimeError as error:
        raise _explained(source, str(error)) from None
    if checked.return_type() != cel.Type.BOOL:
        kind = checked.return_type().name()
        raise ConditionError(f"a condition is a yes-or-no question; this gives {kind.lower()}", 1, 1)
    names: dict[str, None] = {}
    constants: dict[str, Any] = {}
    numbers: set[int] = set()
    for token in _TOKEN.finditer(source):
        if token["number"] is not None and "." not in token["number"]:
            numbers.add(int(token["number"]))
        if token["name"] is None:
            continue
        name = _normal(token["name"])
        if name in WORDS:
            constants[name] = name
        elif name in SETS:
            constants[name] = [member.name for member in SETS[name]]
        pieces = name.split(".")
        for length in range(len(pieces), 0, -1):
            if (fact := ".".join(pieces[:length])) in FACTS:
                names[fact] = None
                break
    return Condition(
        source=source,
        facts=tuple(names),
        words=frozenset(constants),
        numbers=frozenset(numbers),
        turns=_turns(source),
        _program=run.compile(source),
        _readers=tuple((name, _to_cel(FACTS[name])) for name in names),
        _constants=constants,
        _known={},
    )


def _explained(source: str, text: str) -> ConditionError:
    found = _WHERE.search(text)
    if not found:
        return ConditionError("this condition cannot be read", 1, 1)
    line, column, said = int(found[1]), int(found[2]), found[3]
    if undeclared := re.match(r"undeclared reference to '([^']*)'", said):
        name = undeclared[1]
        at = _position(source, name, line)
        return ConditionError(f"there is no fact or word {name}", *(at or (line, column)), hint=_named_hint(name))
    if "no matching overload" in said:
        types = said.partition("applied to ")[2].split("'")[1]
        hint = ""
        if _BARE_NUMBER.search(types):
            hint = "money is compared with a number that has a decimal point, such as 100.0"
        elif (word := _NOT_A_WORD.search(types)) and (word[1] or word[2]) in {enum.__name__ for enum in ENUMS}:
            hint = "words of a vocabulary are written bare, without quotes"
        return ConditionError(f"these types do not go together: {types}", line, column, hint)
    return ConditionError("syntax error" + said.partition("Syntax error")[2].partition(" expecting")[0], line, column)


def _named_hint(name: str) -> str:
    if name == "UNKNOWN":
        return "what happens when a fact is not known is told by on_unknown"
    return nearest(name, [*FACTS, *WORDS, *SETS])


def _position(source: str, name: str, line: int) -> tuple[int, int] | None:
    for token in _TOKEN.finditer(source):
        if token["name"] is None:
            continue
        written = _normal(token["name"])
        if written == name or written.startswith(name + "."):
            at_line = source.count("\n", 0, token.start()) + 1
            if at_line == line or written == name:
                return at_line, token.start() - (source.rfind("\n", 0, token.start()) + 1) + 1
    return None
