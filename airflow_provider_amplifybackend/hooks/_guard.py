"""The guard: asked before an intent is stored and again on the client, for every operation that deletes or changes.

It has no memory beyond this hook: each task reads names and signs anew. What decides is in ``guard/``; this module
reads the settings, makes the reads, and stands before every client of a session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from airflow_provider_amplifybackend._compat import TASKS_READ_THE_DATABASE, current_run, secrets_places
from airflow_provider_amplifybackend.core.guard_refusal import GuardRefusal
from airflow_provider_amplifybackend.core.requests import FaultKind, ServiceError, drive
from airflow_provider_amplifybackend.core.timing import current
from airflow_provider_amplifybackend.exceptions import (
    BackendGuardError,
    BackendParameterError,
    BackendRequestError,
)
from airflow_provider_amplifybackend.guard import protected, settings, signs, verdict
from airflow_provider_amplifybackend.guard.conditions import Conditions, utc_now
from airflow_provider_amplifybackend.guard.lease_reads import list_environments, read_lease
from airflow_provider_amplifybackend.guard.reach import Reach, reach_of
from airflow_provider_amplifybackend.guard.verdict import Mode, Refusal
from airflow_provider_amplifybackend.hooks._secrets_places import ask_places
from airflow_provider_amplifybackend.hooks._wire import names_on_the_wire, operation_on_the_wire, prepare
from airflow_provider_amplifybackend.parameters import service_model

if TYPE_CHECKING:
    from airflow_provider_amplifybackend.hooks._neighbours import GuardedHook, Neighbours

T = TypeVar("T")
# A check that an operator adds to the guard's own: it returns why a request is refused.
LastCheck = Callable[[Reach], Refusal | None]

# For how long a full check before the intent still covers the request that follows.
FRESH = 30.0


class Guard:
    """The guard of one hook.

    :param mode: An operator's own wish for more strictness than ``[amplifybackend] guard``; None: as configured.
    :param conditions: An operator's conditions.
    :param last_checks: An operator's further checks, made in this order once nothing else refuses a request.
    """

    def __init__(self, hook: GuardedHook) -> None:
        self._hook = hook
        self.mode: Mode | None = None
        self.conditions = Conditions()
        self.last_checks: list[LastCheck] = []
        self._checked: dict[Reach, float] = {}
        self._neighbours: Neighbours | None = None
        self._reported: set[str] = set()
        # The guards for clients in other regions than the hook's own.
        self._elsewhere: dict[str, Guard] = {}
        # The connection's extra, as it was at the last full check.
        self._extra: Mapping[str, Any] | None = None
        # Whether every place of connections has been asked, and none has it.
        self._has_none = False

    # ------------------------------------------------------------------------------------------------- the checks

    def check(self, operation: str, request: Mapping[str, Any]) -> None:
        """Check everything: names, signs, and the operator's conditions.

        :raises BackendGuardError: The request is refused; nothing was sent.
        :raises BackendRequestError: What it depends on could not be read just now; nothing was sent.
        """
        reach = reach_of(operation, request)
        if reach is None:
            return
        self._look_at_connection_again(reach)
        environments = self._check_names(reach, lists_always=True)
        self._check_signs(reach, environments)
        for check in self.last_checks:
            self._raise(reach, check(reach))
        self._checked[reach] = current().monotonic()

    def check_names(self, operation: str, request: Mapping[str, Any]) -> None:
        """Check the names alone.

        :raises BackendGuardError: The request reaches a protected name.
        """
        reach = reach_of(operation, request)
        if reach is not None:
            self._check_names(reach)

    def check_on_client(self, operation: str, request: Mapping[str, Any]) -> None:
        """Check before the socket: the names once more, and everything where nobody has done so just now."""
        reach = reach_of(operation, request)
        if reach is None:
            return
        if self._is_fresh(reach):
            self._check_names(reach)
        else:
            self.check(operation, request)

    def in_region(self, region: str | None) -> Guard:
        """Return the guard for the requests of a client: signs are read in its region, which may be another one.

        :param region: The client's region, if it is known.
        """
        if region is None or region == self._hook.client_session.region_name:
            return self
        guard = self._elsewhere.get(region)
        if guard is None:
            guard = self._elsewhere[region] = self._hook.in_region(region).guard
        guard.mode, guard.conditions, guard.last_checks = self.mode, self.conditions, self.last_checks
        return guard

    def check_on_the_wire(self, operation: str, request: Mapping[str, Any]) -> None:
        """Check what is sent, which is what was checked, unless a handler has changed it since."""
        reach = reach_of(operation, request)
        if reach is None:
            return
        if any(guard._is_fresh(reach) for guard in (self, *self._elsewhere.values())):
            # The environments that it reaches unnamed were listed just now.
            named = (reach.environment,) if reach.environment else ()
            self._raise(reach, verdict.by_name(reach, named, self._entries(reach)))
        else:
            self.check(operation, request)

    def _is_fresh(self, reach: Reach) -> bool:
        checked = self._checked.get(reach)
        return checked is not None and current().monotonic() - checked <= FRESH

    # -------------------------------------------------------------------------------------------------- the names

    def _check_names(self, reach: Reach, *, lists_always: bool = False) -> tuple[str, ...]:
        """Refuse protected names, and return the environments that the request reaches."""
        entries = self._entries(reach)
        if reach.is_every_environment and (entries or lists_always):
            environments = self._list_environments(reach)
        else:
            environments = (reach.environment,) if reach.environment else ()
        self._raise(reach, verdict.by_name(reach, environments, entries))
        return environments

    def _entries(self, reach: Reach) -> Sequence[protected.Entry]:
        """Return the protected names: those of the deployment, which nobody can shorten, and the connection's."""
        try:
            entries = self.protected_entries()
            protected.refuse_app_id(entries, reach.app_id)
            return entries
        except protected.SettingError as error:
            raise self._error(reach, Refusal(GuardRefusal.SETTING, f"{error}. Correct the setting")) from None

    def protected_entries(self) -> list[protected.Entry]:
        """Return the protected names of the deployment and of the connection.

        :raises SettingError: They cannot be read.
        """
        return [*settings.protected_entries(), *self._entries_of_connection()]

    def _entries_of_connection(self) -> list[protected.Entry]:
        extra = self._extra
        if extra is None:
            try:
                extra = self._hook.conn_config.extra_config if self._hook.conn_config else {}
            except BackendParameterError as error:
                raise protected.SettingError(str(error)) from None
        where = f"of the connection {self._hook.aws_conn_id!r}"
        return protected.entries_of_connection(extra, settings.SECTION, where)

    def _look_at_connection_again(self, reach: Reach) -> None:
        """Read the connection's extra anew: the hook has had it since its first request, and has perhaps waited since.

        :raises BackendGuardError: The extra cannot be read, so nobody knows what it protects.
        :raises BackendRequestError: It was not found, and may be there all the same.
        :raises AirflowException: It cannot be looked up, which a retry may lift.
        """
        if not self._hook.aws_conn_id:
            return
        try:
            if not self._hook.conn_config:
                self._make_sure_there_is_none(reach, self._hook.aws_conn_id)
            else:
                self._extra = self._hook.get_connection(self._hook.aws_conn_id).extra_dejson
        except BackendParameterError as error:
            raise self._error(reach, Refusal(GuardRefusal.SETTING, str(error))) from None

    def _make_sure_there_is_none(self, reach: Reach, conn_id: str) -> None:
        """Ask each place itself for the connection: what it would protect is not free because nobody could look."""
        if self._has_none:
            return
        answers = ask_places(conn_id, secrets_places())
        # A database that no task can ask has nothing for a task; nor has one that there is not, for a script.
        asks_database = TASKS_READ_THE_DATABASE and current_run() is not None
        unread = [place for place in answers.unread if asks_database or not place.is_database]
        self._has_none = not unread and not answers.is_found
        if self._has_none:
            return
        self._hook.renew_clients()
        self._neighbours = None
        why = f"cannot be looked up: {'; '.join(map(str, unread))}" if unread else "is there now, and was not before"
        raise self._hiccup(reach, f"the connection {conn_id!r} {why}")

    def _list_environments(self, reach: Reach) -> tuple[str, ...]:
        try:
            listed = self._hook.attempt("GetBackend", {"AppId": reach.app_id}).get("BackendEnvironmentList")
        except ServiceError as error:
            if error.kind is FaultKind.NOT_FOUND:
                return ()
            if error.may_pass:
                raise self._hiccup(reach, f"amplifybackend:GetBackend ({error.code}) failed") from error
            if error.code == signs.AMBIGUOUS:
                return self._none_at_all(reach)
            raise self._unlisted(reach, f"{error.code}. Allow amplifybackend:GetBackend") from None
        if not isinstance(listed, list):  # an answer without a list is not one with an empty list
            raise self._unlisted(reach, "the answer of GetBackend has no list")
        return tuple(map(str, listed))

    def _none_at_all(self, reach: Reach) -> tuple[str, ...]:
        """Return no names, if AWS Amplify has no environment of the app either.

        The service's answer can mean that nothing is left, as for a retry after the removal, and other things.
        """
        try:
            known = self.read(list_environments(reach.app_id))
        except signs.UnreadableError as error:
            if error.is_missing:
                return ()
            if error.hiccup:
                raise self._hiccup(reach, f"{error} failed") from error.hiccup
            why = f"AWS Amplify does not say whether there are any: {error}. Allow amplify:ListBackendEnvironments"
        else:
            if not known:
                return ()
            why = f"AWS Amplify has {', '.join(map(repr, known))}. Find out why GetBackend is refused"
        raise self._unlisted(reach, f"GetBackend answers {signs.AMBIGUOUS}, and {why}")

    def _unlisted(self, reach: Reach, why: str) -> BackendGuardError:
        text = f"the environments of app {reach.app_id!r} cannot be listed, so nobody knows what would be removed"
        return self._error(reach, Refusal(GuardRefusal.UNREADABLE_LIST, f"{text}: {why}"))

    # -------------------------------------------------------------------------------------------------- the signs

    def _check_signs(self, reach: Reach, environments: tuple[str, ...]) -> None:
        mode = self._effective_mode(reach)
        reads_signs = reach.reads_signs and mode is not Mode.OFF
        if reads_signs:
            facts = signs.Facts(now=utc_now(current().now()))
            self.read(signs.app_signs(reach.app_id, facts, reach.environment))
            self._judge(reach, f"app {reach.app_id!r}", facts, mode)
        for environment in environments:
            self._check_environment(reach, environment, mode if reads_signs else Mode.OFF)

    def _check_environment(self, reach: Reach, environment: str, mode: Mode) -> None:
        facts = signs.Facts(now=utc_now(current().now()))
        if mode is not Mode.OFF or self.conditions.wants_facts:
            self.read(signs.environment_signs(reach.app_id, environment, facts, wants_age=self.conditions.wants_age))
            self._judge(reach, f"environment {environment!r}", facts, mode)
        if self.conditions.created_by_this_run:
            self.read(read_lease(reach.app_id, environment, facts))
        if reach.is_every_environment and self.conditions.no_pending_job:
            # Of a single environment, the start itself has just read the jobs.
            self.read(signs.pending_jobs(reach.app_id, environment, facts))
        unmet = self.conditions.unmet(environment, facts)
        if unmet:
            self._raise_hiccup(reach, facts)
            text = f"a condition of only_if does not hold: {'; '.join(unmet)}"
            raise self._error(reach, Refusal(GuardRefusal.CONDITION, text))

    def _judge(self, reach: Reach, where: str, facts: signs.Facts, mode: Mode) -> None:
        if mode is not Mode.OFF and not facts.signs:
            self._raise_hiccup(reach, facts)
        self._raise(reach, verdict.by_signs(where, facts, mode))
        self._report(facts.unreadable if mode is Mode.AUTO else [])

    def _report(self, unreadable: Sequence[str]) -> None:
        """Log once which signs cannot be read: under ``auto`` they do not refuse."""
        new = [text for text in dict.fromkeys(unreadable) if text not in self._reported]
        if new:
            self._reported.update(new)
            self._hook.log.warning(
                "Signs of a Gen 2 migration that cannot be read and so do not protect: %s. "
                "To refuse in such a case, set [amplifybackend] guard or the operator's guard to 'require'",
                ", ".join(new),
            )

    def read(self, asks: Generator[signs.Ask, Any, T]) -> T:
        """Make the reads that a generator asks for, with the hook's identity and where the hook's requests go."""
        if self._neighbours is None:
            from airflow_provider_amplifybackend.hooks._neighbours import Neighbours

            self._neighbours = Neighbours(self._hook)
        return drive(asks, self._neighbours.ask, thrown_in=(signs.UnreadableError,))

    def _effective_mode(self, reach: Reach) -> Mode:
        """Return the mode: the deployment's, or the operator's if that is stricter."""
        configured = self._configured_mode(reach)
        return self.mode if self.mode and self.mode.is_stricter_than(configured) else configured

    def _configured_mode(self, reach: Reach) -> Mode:
        try:
            return settings.configured_mode()
        except settings.ModeError as error:
            raise self._error(reach, Refusal(GuardRefusal.SETTING, str(error))) from None

    # -------------------------------------------------------------------------------------------------- the errors

    def _raise(self, reach: Reach, refusal: Refusal | None) -> None:
        if refusal:
            raise self._error(reach, refusal)

    def _error(self, reach: Reach, refusal: Refusal) -> BackendGuardError:
        text = f"{_label(reach)} was refused by the guard; nothing was sent: {refusal.text}"
        return BackendGuardError(text, reason=refusal.reason)

    def _raise_hiccup(self, reach: Reach, facts: signs.Facts) -> None:
        """Fail, so that a retry asks again, where an answer is missing only for the moment.

        It is no sign that nothing is there, and no refusal either.
        """
        if facts.hiccups:
            error = facts.hiccups[0]
            raise self._hiccup(reach, f"{error} failed") from error.hiccup

    def _hiccup(self, reach: Reach, why: str) -> BackendRequestError:
        return BackendRequestError(
            f"{_label(reach)}: nothing was sent, because the guard cannot check it just now: {why}. "
            "A retry checks it again"
        )


def _label(reach: Reach) -> str:
    where = f"environment {reach.environment!r}, " if reach.environment else ""
    return f"{reach.operation} ({where}app {reach.app_id!r})"


# ------------------------------------------------------------------------------------------------------ the clients


def stand_before(session: Any, guard: Guard) -> None:
    """Ask the guard before each request of every client that a session makes.

    :param session: A session of boto3, botocore or aiobotocore.
    """
    events = getattr(session, "events", None) or session.get_component("event_emitter")
    prepare()
    is_async = type(events).__module__.startswith("aiobotocore")
    handlers = _Asynchronous(guard) if is_async else _Synchronous(guard)
    # After the handlers of users, as the check of names is: what they have made of the request counts.
    events.register_last("before-parameter-build", handlers.check_parameters)
    events.register_last("before-send", handlers.check_request)


class _Synchronous:
    """The guard's handlers of a client's events."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def check_parameters(self, params: Any, model: Any, context: Mapping[str, Any] | None = None, **_: Any) -> None:
        if _is_ours(model) and isinstance(params, Mapping) and reach_of(model.name, params):
            self._guard.in_region((context or {}).get("client_region")).check_on_client(model.name, params)

    def check_request(self, request: Any, event_name: str, **_: Any) -> None:
        """Check what is on the wire, too: a handler may have changed the request since."""
        operation = _operation_sent(request, event_name)
        if operation and reach_of(operation, {}):
            self._guard.check_on_the_wire(operation, names_on_the_wire(operation, request))


class _Asynchronous(_Synchronous):
    """The same for aiobotocore, whose event loop must not wait for the guard's reads.

    aiobotocore awaits what they return; for a read that is nothing, which costs next to nothing.
    """

    def check_parameters(self, params: Any, model: Any, context: Mapping[str, Any] | None = None, **_: Any) -> Any:
        if _is_ours(model) and reach_of(model.name, {}):
            return asyncio.to_thread(super().check_parameters, params, model, context)
        return None

    def check_request(self, request: Any, event_name: str, **_: Any) -> Any:
        operation = _operation_sent(request, event_name)
        if operation and reach_of(operation, {}):
            return asyncio.to_thread(super().check_request, request, event_name)
        return None


def _is_ours(model: Any) -> bool:
    return bool(model.service_model.service_name == service_model.SERVICE)


def _operation_sent(request: Any, event_name: str) -> str | None:
    """Return the operation that a request of ours leads to; None for one of another service."""
    service, operation = event_name.split(".", 2)[1:]
    return operation_on_the_wire(operation, request) if service == service_model.SERVICE else None
