"""A container file, read: its stages with their instructions, as far as this package's own uses them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Instruction:
    """One instruction: its name and its arguments, with the values of ARG in them."""

    name: str
    value: str

    @property
    def listed(self) -> list[str]:
        """The arguments in the form of a JSON list."""
        listed: list[str] = json.loads(self.value[self.value.index("[") :])
        return listed


@dataclass
class Stage:
    """What follows one FROM."""

    base: str
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, name: str) -> list[Instruction]:
        return [instruction for instruction in self.instructions if instruction.name == name]

    def one(self, name: str) -> Instruction:
        (instruction,) = self.all(name)
        return instruction


def stages(path: Path, **arguments: str) -> list[Stage]:
    """Return the stages; `arguments` are those of `--build-arg`."""
    found: list[Stage] = []
    for name, value in _lines(path.read_text(encoding="utf-8")):
        if name == "ARG":
            argument, _, default = value.partition("=")
            arguments.setdefault(argument, default)
            continue
        whole = re.sub(r"\$\{(\w+)\}", lambda match: arguments[match[1]], value)
        if name == "FROM":
            found.append(Stage(whole))
        else:
            found[-1].instructions.append(Instruction(name, whole))
    return found


def _lines(text: str) -> Iterator[tuple[str, str]]:
    whole = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    for line in filter(None, map(str.strip, whole.splitlines())):
        name, _, value = line.partition(" ")
        yield name, value.strip()
