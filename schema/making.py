"""How instances of the contract's types are made in half the time that calling the class takes, and fields later."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

T = TypeVar("T")
P = ParamSpec("P")


def maker(made: Callable[P, T], *names: str, late: tuple[str, ...] = ()) -> Callable[P, T]:
    """A function that makes instances of a dataclass as the class itself does, from just these fields, all by name.

    Its other fields have what they have by default. For types of which a read makes hundreds: calling a class puts its
    arguments into a dictionary and takes them out again. Those of `late` are not there yet: see `Late`.

    Raises:
        TypeError: the class has no such field, or needs another one.
    """
    cls = cast("type[Any]", made)
    known = {field.name: field for field in fields(cls) if field.init}
    lines = [f"    made.{name} = {name}" for name in names]
    scope: dict[str, Any] = {"cls": cls, "new": object.__new__}
    if strange := [name for name in (*names, *late) if name not in known]:
        raise TypeError(f"{cls.__name__} has no field {', '.join(strange)}")
    for name in known.keys() - {*names, *late}:
        if known[name].default_factory is not MISSING:
            scope[f"of_{name}"] = known[name].default_factory
            lines.append(f"    made.{name} = of_{name}()")
        elif known[name].default is MISSING:
            raise TypeError(f"{cls.__name__} needs a {name}")
    if hasattr(cls, "__post_init__"):
        lines.append("    made.__post_init__()")
    exec("\n".join([f"def make(*, {', '.join(names)}):", "    made = new(cls)", *lines, "    return made"]), scope)
    return cast("Callable[P, T]", scope["make"])


class Late:
    """A noun of which some fields may be worked out when they are first looked at, since most queries never do.

    Such a field has a default factory, never a plain default, which would be found in its place.
    """

    #: What works them out, by name, and of what. Not in the dictionary of the instance: to ask for that makes it.
    _late: Any = None

    if not TYPE_CHECKING:  # what a type checker does not find is a mistake all the same

        def __getattr__(self, name):
            late = self._late
            if late is None or name not in late[0]:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)
            value = late[0][name](*late[1:])
            setattr(self, name, value)
            return value

    def later(self, work: Mapping[str, Callable[..., Any]], *of: Any) -> None:
        """What works out each field that is not there yet, and of what: no closure, since there is one for every noun.

        Never of the noun itself, or only the garbage collector would free it.
        """
        self._late = (work, *of)


def nothing() -> None:
    """The default of a field that may be late and is None where it is not given."""
