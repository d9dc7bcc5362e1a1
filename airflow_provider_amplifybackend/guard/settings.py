"""The guard's settings in Airflow's configuration, which nothing that a task renders can make laxer.

Until Airflow 3, templates have the configuration itself, with its ``set``. That alters what comes from the file, and
not what comes from an environment variable: so what the file said when this module was imported, with the DAG, counts
as well.
"""

from __future__ import annotations

import os

from airflow_provider_amplifybackend._compat import conf
from airflow_provider_amplifybackend.guard import protected
from airflow_provider_amplifybackend.guard.strays import GUARD, PROTECTED
from airflow_provider_amplifybackend.guard.verdict import Mode

SECTION = "amplifybackend"


class ModeError(Exception):
    """A mode that there is not; the text says where it stands."""


def _read(option: str) -> str:
    return conf.get(SECTION, option, fallback="") or ""


_at_first = {option: _read(option) for option in (PROTECTED, GUARD)}


def _texts(option: str) -> list[str]:
    """Return a setting as it is, and as it was, if that may differ."""
    is_variable = f"AIRFLOW__{SECTION}__{option}".upper() in os.environ
    return list(dict.fromkeys([_read(option)] if is_variable else [_read(option), _at_first[option]]))


def protected_entries() -> list[protected.Entry]:
    """Return the protected names of the deployment.

    :raises SettingError: They cannot be read, or stand where nobody reads them.
    """
    protected.refuse_strays({name: conf.options(name) for name in conf.sections()}, os.environ, SECTION)
    setting = f"[{SECTION}] {PROTECTED}"
    return [entry for text in _texts(PROTECTED) for entry in protected.entries_of_text(text, setting)]


def configured_mode() -> Mode:
    """Return the deployment's mode of the guard.

    :raises ModeError: There is no such mode.
    """
    modes = [_mode(text) for text in _texts(GUARD)]
    return next(mode for mode in modes if not any(other.is_stricter_than(mode) for other in modes))


def _mode(text: str) -> Mode:
    name = text.strip().lower()
    try:
        return Mode(name) if name else Mode.AUTO
    except ValueError:
        raise ModeError(f"[{SECTION}] {GUARD}={name!r} is not one of: {', '.join(Mode)}") from None
