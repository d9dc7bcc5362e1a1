"""Settings and parts of a connection that were meant for the guard, and that nobody reads.

Airflow takes any name of a section, an option or a variable, and says nothing of one that is misspelled. So what looks
like protection and is none stops every task that deletes or changes something.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any

PROTECTED, GUARD = "protected", "guard"
_SETTINGS = (PROTECTED, GUARD)
# How the settings begin, misspelled or not.
_STEMS = {PROTECTED: "prot", GUARD: "guard"}
# So that "gaurd" and "potected" are misspelled, and a "project" is none.
_LIKE = 0.8
_FETCHED = re.compile("(?:cmd|secret)$")  # Airflow has these for secrets only
_OURS = "amplifybackend"
# A variable of Airflow's, whatever is between the words, or of nobody's.
_VARIABLE = re.compile(rf"(?:airflow.*?amplify(?:backends?)?|{_OURS}s?)(?P<option>.+)")
_ELSEWHERE = ("AIRFLOW_CONN_", "AIRFLOW_VAR_")  # these hold connections and Variables, under any name
_DEEPEST = 5  # levels of an extra


def _plain(name: Any) -> str:
    return re.sub(r"[\W_]", "", str(name)).casefold()


def _meant(option: str) -> str | None:
    """Return the setting that the name of an option stands for; None if for none of ours."""
    word = _FETCHED.sub("", _plain(option)) or _plain(option)
    for setting in _SETTINGS:
        if word.startswith(_STEMS[setting]) or setting in word or _is_like(word, setting):
            return setting
    return None


def _is_like(word: str, setting: str) -> bool:
    return SequenceMatcher(None, word, setting).ratio() >= _LIKE


def stray_settings(
    sections: Mapping[str, Iterable[str]], environ: Iterable[str], section: str
) -> Iterator[tuple[str, str]]:
    """Yield what Airflow does not read, as it is written, with the setting that it stands for.

    :param sections: The options of each section of the configuration.
    :param environ: The names of the process's environment variables.
    """
    for name, options in sections.items():
        for option in options if "amplify" in _plain(name) else ():
            if (name, option) not in {(section, setting) for setting in _SETTINGS} and (meant := _meant(option)):
                yield f"[{name}] {option}", meant
    for variable in environ:
        found = None if variable.upper().startswith(_ELSEWHERE) else _VARIABLE.fullmatch(_plain(variable))
        meant = _meant(found["option"]) if found else None
        if meant and variable != variable_of(section, meant):
            yield variable, meant


def variable_of(section: str, setting: str) -> str:
    """Return the environment variable of a setting."""
    return f"AIRFLOW__{section}__{setting}".upper()


def stray_keys(extra: Mapping[str, Any], section: str) -> Iterator[tuple[Any, ...]]:
    """Yield the path of each key of a connection's extra that was meant for the guard, and is not where it is read."""
    for key, member in extra.items():
        if key == section:
            continue
        if _OURS in _plain(key) or _is_protection(key):
            yield (key,)
        else:
            yield from ((key, *path) for path in _keys_inside(member, _DEEPEST))


def _keys_inside(value: Any, levels: int) -> Iterator[tuple[Any, ...]]:
    if levels and isinstance(value, Mapping):
        for key, member in value.items():
            if _is_protection(key):
                yield (key,)
            else:
                yield from ((key, *path) for path in _keys_inside(member, levels - 1))


def _is_protection(key: Any) -> bool:
    return "protect" in _plain(key) or _is_like(_plain(key), PROTECTED)
