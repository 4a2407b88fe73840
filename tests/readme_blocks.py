"""The fenced blocks of the README, in order, as tests run them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    language: str
    text: str


@dataclass(frozen=True)
class Command:
    """A command of a console block and the output shown for it; empty: none is shown."""

    line: str
    shown: str


def blocks(*languages: str) -> list[Block]:
    text = README.read_text(encoding="utf-8")
    return [Block(*found) for found in _FENCE.findall(text) if found[0] in languages]


def commands() -> list[Command]:
    found: list[Command] = []
    for block in blocks("console"):
        for piece in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            line, _, shown = piece.partition("\n")
            found.append(Command(line, shown.strip()))
    return found
