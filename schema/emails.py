"""When two e-mail addresses are the same person's: trimmed, ASCII letters lowered, the domain in IDNA; nothing more."""

from __future__ import annotations

import re
from typing import NewType

import idna

Email = NewType("Email", str)
"""An address in its canonical form; only `canonical_email` makes one."""

_LOCAL = re.compile(r"[^\s@\"(),:;<>\[\]\\\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,64}")
_LABEL = r"(?!-)[a-z0-9-]{1,63}(?<!-)"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})+")
_ASCII_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


class MalformedEmail(ValueError):
    """The text is not an e-mail address. The message never repeats the text."""


def canonical_email(text: str) -> Email:
    """The canonical form of an address, by which people are told apart.

    Only ASCII letters are lowered: full case folding would turn `straße@` into `strasse@`, another person.

    Raises:
        MalformedEmail: the text is not one address.
    """
    local, at, domain = text.strip().translate(_ASCII_LOWER).rpartition("@")
    if not at or not _LOCAL.fullmatch(local) or local.startswith(".") or local.endswith(".") or ".." in local:
        raise MalformedEmail("not an e-mail address: expected one like ada@example.com")
    try:
        ascii_domain = idna.encode(domain, uts46=True).decode("ascii") if not domain.isascii() else domain
    except idna.IDNAError:
        raise MalformedEmail("not an e-mail address: the part after @ is not a domain name") from None
    if len(ascii_domain) > 253 or not _DOMAIN.fullmatch(ascii_domain):
        raise MalformedEmail("not an e-mail address: the part after @ is not a domain name")
    return Email(f"{local}@{ascii_domain}")


def same_email(one: str | None, canonical: Email) -> bool:
    """Whether a platform's value is this address. A missing or malformed value is nobody's."""
    if not one:
        return False
    if one == canonical:
        return True
    try:
        return canonical_email(one) == canonical
    except MalformedEmail:
        return False


def email_or_none(text: str | None) -> Email | None:
    """A platform's value in canonical form; None where it is missing or no address."""
    if not text:
        return None
    try:
        return canonical_email(text)
    except MalformedEmail:
        return None
