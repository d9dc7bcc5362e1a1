"""The places where connections are, each asked by itself.

Airflow asks one after the other, and takes one that gives no answer for one that has no such connection.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_amplifybackend.core.secrets import redact_words


@dataclass(frozen=True)
class Unread:
    """A place where a connection could not be looked up."""

    where: str
    why: str
    is_database: bool = False

    def __str__(self) -> str:
        return f"{self.where}: {self.why}"


@dataclass
class Answers:
    """The answers of the places: whether one has the connection, and which of them have given none."""

    is_found: bool = False
    unread: list[Unread] = field(default_factory=list)


class ApiServerError(Exception):
    """Airflow's API server has not answered whether there is a connection."""


def ask_places(conn_id: str, places: Iterable[Any]) -> Answers:
    """Ask each of these places for a connection."""
    answers = Answers()
    for place in places:
        try:
            answers.is_found |= _has(place, conn_id)
        except Exception as error:  # noqa: BLE001  # whatever it is, the place does not tell
            answers.unread.append(_unread(type(place).__name__, error))
    return answers


def _has(place: Any, conn_id: str) -> bool:
    if type(place).__name__ == "ExecutionAPISecretsBackend":
        return _api_server_has(conn_id)
    return place.get_connection(conn_id=conn_id) is not None


def _api_server_has(conn_id: str) -> bool:
    """Ask the API server as a task's place of secrets does, which has "none" for each of its errors."""
    from airflow.sdk.exceptions import ErrorType
    from airflow.sdk.execution_time.comms import ErrorResponse, GetConnection
    from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS

    answer: Any = SUPERVISOR_COMMS.send(GetConnection(conn_id=conn_id))
    if not isinstance(answer, ErrorResponse):
        return True
    if answer.error is ErrorType.CONNECTION_NOT_FOUND:
        return False
    raise ApiServerError(answer.error.value)


def _unread(place: str, error: Exception) -> Unread:
    if place == "MetastoreBackend":
        return Unread("Airflow's database", _reason(error), is_database=True)
    if isinstance(error, ApiServerError):
        return Unread("Airflow's API server", str(error))
    # Such an error can quote what stands there, and that has secrets.
    return Unread(place, type(error).__name__)


def _reason(error: Exception) -> str:
    """Return what the driver says, without the statement that SQLAlchemy adds."""
    return f"{type(error).__name__}: {redact_words(str(getattr(error, 'orig', None) or error))}"
