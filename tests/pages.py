"""The documentation as tests read it: its pages, and the blocks of code in them."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = (*sorted(DOCS.glob("*.md")), *sorted(ROOT.glob("*.md")))

_FENCE = re.compile(r"^( *)```(\S*)[^\n]*\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"`([\w./-]+\.\w+)`[^`]*:\Z")


@dataclass(frozen=True)
class Block:
    """A block of code."""

    page: Path
    line: int
    language: str
    text: str
    file: str
    """The file that the sentence before the block says it is, or nothing."""

    @property
    def where(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


@dataclass(frozen=True)
class Command:
    """A command of a console block, and what the block shows of its output."""

    line: str
    output: tuple[str, ...]


def blocks(page: Path, language: str = "") -> list[Block]:
    """Return the blocks of a page in their order, those of one language only or all."""
    text = page.read_text(encoding="utf-8")
    found = []
    for fence in _FENCE.finditer(text):
        before = text[: fence.start()]
        named = _FILE.search(before.rstrip().rpartition("\n")[2])
        body = textwrap.dedent(fence[3])
        found.append(Block(page, before.count("\n") + 1, fence[2], body, named[1] if named else ""))
    return [block for block in found if language in ("", block.language)]


def commands(block: Block) -> list[Command]:
    """Return the commands of a console block: each begins with a `$`, and a backslash continues it."""
    found: list[Command] = []
    for line in block.text.replace("\\\n", "").splitlines():
        if line.startswith("$ "):
            found.append(Command(line.removeprefix("$ "), ()))
        else:
            assert found, f"{block.where}: output without a command before it: {line}"
            found[-1] = Command(found[-1].line, (*found[-1].output, line))
    return found


def without_code(text: str) -> str:
    """Return a page's text without its blocks of code."""
    return _FENCE.sub("", text)
