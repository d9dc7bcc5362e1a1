"""Protected names: what an entry means, and which apps and environments it covers.

An entry is ``ENV`` or ``APP/ENV``, with the shell's ``*`` and ``?``. Names are compared as a person would read them:
whatever differs only in case, in the width of its letters or in characters that nobody can see is the same name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from airflow_provider_amplifybackend.core.names import without_unseen
from airflow_provider_amplifybackend.guard.strays import PROTECTED, stray_keys, stray_settings, variable_of

# A name has none of these, so that an entry which has one was meant for something else: a list, a path, a template.
_FOREIGN = re.compile(r"[\s\\%#\[\]{}()\"'`,;]")
# The signs that names usually have, and those of a pattern.
_OF_NAMES = frozenset("-_.~*?/")


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

    def is_in_app(self, app_id: str) -> bool:
        """Tell whether it names something of this app, and not of any app."""
        return "/" in self.text and bool(set(self.app) - {"*"}) and self._app.covers(app_id)

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


def entries_of_connection(extra: Mapping[str, Any], section: str, where: str) -> list[Entry]:
    """Return the entries that the extra of a connection has, as ``{section: {"protected": [...]}}``.

    :param where: Which connection it is, for messages.
    :raises SettingError: It has them in a form or at a place in which nobody reads them.
    """
    form = f'must have the form {{"{section}": {{"protected": ["ENV", "APP/ENV"]}}}}'
    for top, *inside in stray_keys(extra, section):
        key = f"{inside[-1]!r} in the extra {top!r}" if inside else f"the extra {top!r}"
        raise SettingError(f"{key} {where} is not read: the extra {form}")
    if section not in extra:
        return []
    own, setting = extra[section], f"the extra {section!r} {where}"
    if not isinstance(own, Mapping) or set(own) - {PROTECTED}:
        raise SettingError(f"{setting} is not one: the extra {form}")
    return entries_of_list(own.get(PROTECTED, []), f"{PROTECTED!r} in {setting}")


def refuse_strays(sections: Mapping[str, Iterable[str]], environ: Iterable[str], section: str) -> None:
    """Refuse settings that were meant for the guard, and that Airflow does not read.

    Airflow runs no ``_cmd`` and reads no ``_secret`` for a setting that is no secret, and tells sections apart by case.

    :param sections: The options of each section of the configuration.
    :param environ: The names of the process's environment variables.
    :raises SettingError: There is one.
    """
    found = dict(stray_settings(sections, environ, section))
    if found:
        settings = " and ".join(
            f"[{section}] {setting}, or {variable_of(section, setting)}" for setting in dict.fromkeys(found.values())
        )
        raise SettingError(
            f"{', '.join(found)} protects nothing: the setting is {settings}, and has no _cmd and no _secret"
        )


def refuse_app_id(entries: Iterable[Entry], app_id: str) -> None:
    """Refuse an entry that is the id of an app: it would protect an environment of that name, and not the app.

    :raises SettingError: There is one.
    """
    for entry in entries:
        if "/" not in entry.text and folded(entry.text) == folded(app_id):
            raise SettingError(
                f"entry {entry.text!r} of {entry.setting} is the id of the app: to protect all of the app, write "
                f"'{entry.text}/*', and for an environment of that name '*/{entry.text}'"
            )


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
    return _meaning_problem(text)


def _meaning_problem(text: str) -> str | None:
    """Return why an entry means something else than its author thinks: a regular expression, a list, a negation."""
    if ".*" in text:
        return "looks like a regular expression: * stands for any characters by itself, as in 'prod*'"
    sign = next((char for char in text if char not in _OF_NAMES and unicodedata.category(char)[0] in "PS"), None)
    return f"contains {sign!r}, which has no meaning here; for a name that has one, write ? for it" if sign else None


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


def protected_app(entries: Iterable[Entry], app_id: str, *, goes: bool = False) -> Iterator[Match]:
    """Yield what protects an app as a whole.

    :param goes: Whether it would be deleted. Then whatever is protected in it protects it, too, although it may be no
        environment: a branch, a backend of Gen 2.
    """
    for entry in entries:
        if entry.covers_app(app_id) or (goes and entry.is_in_app(app_id)):
            yield Match(entry, app_id, None)
