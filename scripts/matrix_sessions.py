"""The sessions of `make test-matrix`: which Airflow, on which Python, with which pins. Nothing here runs anything."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / "constraints"
MWAA = CONSTRAINTS / "mwaa"
# Made by `scripts/constraints.sh --matrix`.
OTHERS = CONSTRAINTS / "matrix"
# What the newest Airflow supports, and what its declared minimum does.
NEWEST_PYTHONS = ("3.11", "3.12", "3.13", "3.14")
MINIMUM_PYTHONS = ("3.11", "3.12")
# No MWAA environment has those, and all sets should be judged by the same ones.
TEST_TOOLS = {"pytest", "iniconfig", "hypothesis", "moto", "py-partiql-parser", "responses", "pip"}
EXTRAS = "local-moto,records"


@dataclass(frozen=True)
class Session:
    """One Airflow on one Python."""

    name: str
    pythons: tuple[str, ...]
    """The Python versions that will do, the most suitable first."""
    constraints: Path | None = None
    """Its pins; None: the newest of each dependency."""
    airflow: str = ""
    """Named to pip where the pins do not have it."""
    extras: str = EXTRAS

    @property
    def series(self) -> str:
        """The name without the Python: `newest` for all of `newest-3.11`, `newest-3.12`..."""
        return self.name.partition("-")[0]


def sessions() -> list[Session]:
    """Return all sessions, in the order in which they are run."""
    # 3.12 is what MWAA runs. Where there is none, a 3.11 is better than nothing, and the table says it.
    usual = ("3.12", "3.11")
    everything = f"{EXTRAS},openlineage"
    found = [Session(version, usual, MWAA / f"airflow-{version}-constraints.txt", version) for version in _of_mwaa()]
    found.append(Session("3.1", usual, OTHERS / "airflow-3.1-constraints.txt", extras=everything))
    for python in MINIMUM_PYTHONS:
        pins = OTHERS / "minimum-constraints.txt"
        found.append(Session(f"minimum-{python}", (python,), pins, extras=everything))
    found += [Session(f"newest-{python}", (python,), extras=everything) for python in NEWEST_PYTHONS]
    return found


def _of_mwaa() -> list[str]:
    found = [re.fullmatch(r"airflow-(.*)-constraints\.txt", path.name) for path in MWAA.iterdir()]
    return sorted((match[1] for match in found if match), key=lambda text: [int(part) for part in text.split(".")])


def selected(names: Iterable[str]) -> list[Session]:
    """Return the sessions that are named, alone or by series; all of them if none is.

    :raises ValueError: There is none of a name.
    """
    every, found = sessions(), []
    for name in names:
        named = [each for each in every if name in (each.name, each.series)]
        if not named:
            known = ", ".join(each.name for each in every)
            raise ValueError(f"there is no session {name!r}; there are: {known}")
        found += named
    return list(dict.fromkeys(found)) or every


def merged(theirs: Iterable[str], ours: Iterable[str], *, judged_by_ours: bool) -> list[str]:
    """Return the pins of a set, and ours of what it does not pin, but for Airflow's own parts, which follow Airflow.

    :param judged_by_ours: The test tools are ours, too.
    """
    kept = [pin for pin in _pins(theirs) if not (judged_by_ours and _name(pin) in TEST_TOOLS)]
    names = {_name(pin) for pin in kept}
    return kept + [
        pin for pin in _pins(ours) if _name(pin) not in names and not _name(pin).startswith("apache-airflow")
    ]


def _pins(lines: Iterable[str]) -> list[str]:
    return [line.strip() for line in lines if "==" in line and not line.startswith("#")]


def _name(pin: str) -> str:
    return re.sub(r"[-_.]+", "-", pin.partition("==")[0].strip()).lower()
