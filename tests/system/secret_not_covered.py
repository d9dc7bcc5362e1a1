"""What Airflow shows whatever this package does. docs/security.md lists the same, with what to set.

Each says which secrets may show in which sinks; anything else that the hunt finds is a fault.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class NotCovered:
    """A place in which some secrets may show."""

    headline: str
    """As in the table of docs/security.md."""
    secrets: str
    """A pattern of the names of secrets, whole."""
    places: str
    """A pattern of `sink: where`, from the beginning."""

    def covers(self, secret: str, place: str) -> bool:
        return bool(re.fullmatch(self.secrets, secret) and re.match(self.places, place))


NOT_COVERED = (
    NotCovered("The Variable or the connection itself", "from_database_.*", r"table (variable|connection): "),
    NotCovered(
        "An upstream task's own XCom and log",
        "from_xcom_google",
        r"table xcom: xcom\.value"
        r"|REST XComs: .*/fetch/xcomEntries/return_value"
        r"|(logs of tasks: .*|REST task logs: .*/)(task_id=)?fetch/"
        r"|scheduler\.log: info airflow\.task\.operators\.airflow\.providers\.standard\.",
    ),
    NotCovered(
        "`SessionId` in the result of CreateToken and GetToken",
        "(create|get)_challenge_session",
        r"table xcom: xcom\.value|REST XComs: .*/(create|get)_challenge/xcomEntries/(return_value|SessionId)",
    ),
    NotCovered(
        "The scheduler's output at DEBUG under LocalExecutor",
        ".*",
        r"scheduler\.log: debug (?!.*airflow_provider_amplifybackend)",
    ),
)


def excuse(secret: str, place: str) -> NotCovered | None:
    """Return the exception that covers a find."""
    return next((each for each in NOT_COVERED if each.covers(secret, place)), None)
