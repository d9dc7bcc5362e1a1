"""Protected names: what an entry means, and which apps and environments it covers.

An entry is ``ENV`` or ``APP/ENV``, with the shell's ``*`` and ``?``. Names are compared as a person would read them:
whatever differs only in case, in the width of its letters or in characters that nobody can see is the same name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from airflow_provider_amplifybackend.core.names import without_unseen

# A name has none of these, so that an entry which has one was meant for something else: a list, a path, a template.
_FOREIGN = re.compile(r"[\s\\%#\[\]{}()\"'`,;]")


class SettingError(Exception):
    """A list of protected names that cannot be read; the text says where it stands and what is wrong."""


@dataclass(frozen=True)
class Entry:
    """One protected name, and where it stands."""

    text: str
    setting: str

    @property
    def app(self) -> str:
        """The pattern of the app."""
        return self.text.partition("/")[0] if "/" in self.text else "*"

    @property
    def environment(self) -> str:
        """The pattern of the environment."""
        return self.text.rpartition("/")[2]

    @property
    def is_whole_app(self) -> bool:
        """Tell whether every environment of an app is covered, and so the app itself."""
        return set(self.environment) == {"*"}

    def covers(self, app_id: str, environment: str) -> bool:
        """Tell whether it covers an environment of an app."""
        return self._app.covers(app_id) and self._environment.covers(environment)

    def covers_app(self, app_id: str) -> bool:
        """Tell whether it covers an app as a whole."""
        return self.is_whole_app and self._app.covers(app_id)

    def is_near(self, app_id: str, environment: str | None) -> bool:
        """Tell whether it covers them only once they are read as a person reads them."""
        return not (self._app.equals(app_id) and (environment is None or self._environment.equals(environment)))

    @cached_property
    def _app(self) -> _Pattern:
        return _Pattern(self.app)

    @cached_property
    def _environment(self) -> _Pattern:
        return _Pattern(self.environment)


class _Pattern:
    """A shell-style pattern with ``*`` and ``?``, and no other magic."""

    def __init__(self, text: str) -> None:
        self._exact = _compiled(text)
        self._folded = _compiled(folded(text))

    def equals(self, name: str) -> bool:
        return self._exact.fullmatch(name) is not None

    def covers(self, name: str) -> bool:
        return self.equals(name) or self._folded.fullmatch(folded(name)) is not None


def _compiled(pattern: str) -> re.Pattern[str]:
    # Several stars are one, or a pattern of stars takes for ever.
    parts = re.split(r"(\*+|\?)", pattern)
    return re.compile("".join(_as_regex(part) for part in parts), re.DOTALL)


def _as_regex(part: str) -> str:
    if part.startswith("*"):
        return ".*"
    return "." if part == "?" else re.escape(part)


def folded(name: str) -> str:
    """Return a name as a person reads it: NFKC, without case, and without what cannot be seen."""
    previous, text = None, name
    while text != previous:
        # Each step can make room for another: a letter folds into two, one of which normalizes into a third.
        previous, text = text, without_unseen(unicodedata.normalize("NFKC", text)).casefold()
    return text


def matches(pattern: str, name: str) -> bool:
    """Tell whether a name fits a pattern of a condition exactly; a near match may mean something else."""
    return _compiled(pattern).fullmatch(name) is not None


def pattern_problem(text: Any) -> str | None:
    """Return what is wrong with a pattern of a name; None if nothing is."""
    if not isinstance(text, str):
        return f"is a {type(text).__name__}, not a text"
    if not text.strip():
        return "is empty"
    if _FOREIGN.search(unicodedata.normalize("NFKC", text)) or without_unseen(text) != text:
        return "contains a character that no name has"
    if set(text) <= {".", "/"} or text in (".", ".."):
        return "is part of a path"
    return None


def entries_of_text(text: str, setting: str) -> list[Entry]:
    """Return the entries of a comma-separated setting; none if it is empty as a whole.

    :raises SettingError: An entry is empty or malformed.
    """
    return _entries(text.split(","), setting) if text.strip() else []


def entries_of_list(value: Any, setting: str) -> list[Entry]:
    """Return the entries of a list, as the extra of a connection has it.

    :raises SettingError: It is no list, or an entry is empty or malformed.
    """
    if not isinstance(value, list | tuple):
        raise SettingError(f"{setting} must be a list of names, not {type(value).__name__}")
    return _entries(value, setting)


def _entries(texts: Iterable[Any], setting: str) -> list[Entry]:
    return [_entry(number, text, setting) for number, text in enumerate(texts, 1)]


def _entry(number: int, text: Any, setting: str) -> Entry:
    stripped = text.strip() if isinstance(text, str) else text
    problem = pattern_problem(stripped) or _form_problem(stripped)
    if problem:
        shown = f" ({text[:100]!r})" if isinstance(text, str) and text.strip() else ""
        raise SettingError(f"entry {number}{shown} of {setting} {problem}. An entry is ENV or APP/ENV, with * and ?")
    return Entry(stripped, setting)


def _form_problem(text: str) -> str | None:
    slashes = unicodedata.normalize("NFKC", text).count("/")
    if slashes > 1:
        return "has more than one slash"
    if slashes != text.count("/"):
        return "contains a character that may be read as a slash"
    if not all(text.split("/")):
        return "has nothing on one side of its slash"
    return None


@dataclass(frozen=True)
class Match:
    """A protected name that an operation would reach."""

    entry: Entry
    app_id: str
    environment: str | None

    @property
    def is_near(self) -> bool:
        """Tell whether the names are the same only as a person reads them."""
        return self.entry.is_near(self.app_id, self.environment)


def protected_environments(entries: Iterable[Entry], app_id: str, environments: Iterable[str]) -> Iterator[Match]:
    """Yield what protects the environments of an app."""
    entries = tuple(entries)
    for environment in environments:
        for entry in entries:
            if entry.covers(app_id, environment):
                yield Match(entry, app_id, environment)


def protected_app(entries: Iterable[Entry], app_id: str) -> Iterator[Match]:
    """Yield what protects an app as a whole."""
    yield from (Match(entry, app_id, None) for entry in entries if entry.covers_app(app_id))
