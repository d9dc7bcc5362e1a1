"""``doctor``: a check-up of a connection, with reads that change nothing."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Generator, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_amplifybackend import __version__
from airflow_provider_amplifybackend.cli._database import has_triggerer, unread_places
from airflow_provider_amplifybackend.cli._findings import (
    Asked,
    Finding,
    Mark,
    Place,
    broken_off,
    client_finding,
    clock_finding,
    credentials_finding,
    foreign,
    found_finding,
    guard_finding,
    is_healthy,
    lines,
    place_finding,
    reads_findings,
    silence_finding,
    stranger_finding,
    triggerer_finding,
    unread_finding,
)
from airflow_provider_amplifybackend.cli._running import FAILED, OK, command, make_hook, one_line, write
from airflow_provider_amplifybackend.core.operations import OPERATIONS
from airflow_provider_amplifybackend.core.requests import ServiceError

if TYPE_CHECKING:
    from airflow_provider_amplifybackend.hooks._neighbours import Neighbours
    from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook

# What nobody has: the answer is then that there is no such thing, which says that the call is allowed.
NOBODYS = "doctor0nothing"
READS = tuple(name for name, operation in OPERATIONS.items() if operation.only_reads)
# Somebody sits before it. What does not answer at once is what there is to tell.
LIMITS: dict[str, Any] = {
    "connect_timeout": 3,
    "read_timeout": 5,
    "retries": {"total_max_attempts": 1, "mode": "standard"},
}


@command
def doctor(options: Namespace) -> int:
    """Check a connection."""
    from airflow_provider_amplifybackend._compat import airflow_version

    hook = make_hook(options)
    hook.limits = LIMITS
    is_text = options.output == "text"
    if is_text:
        name = options.aws_conn_id or "none (boto3's own credentials)"
        write(f"Connection {one_line(name)}; provider {__version__}, Airflow {airflow_version}\n\n")
    findings: list[Finding] = []
    for one in _all_findings(CheckUp(hook, options.app_id, options.environment)):
        findings.append(Finding(one.mark, one.what, one_line(one.text)))
        if is_text:
            write(lines(findings[-1]))
    if not is_text:
        write(json.dumps([finding.to_dict() for finding in findings], indent=2))
    return OK if is_healthy(findings) else FAILED


def _all_findings(check_up: CheckUp) -> Iterator[Finding]:
    """Yield what is found. No error ends it without a finding: it is what a broken set-up is looked at with."""
    for part in (check_up.findings, _triggerer):
        try:
            yield from part()
        except Exception as error:  # noqa: BLE001  # whatever it is
            yield broken_off(error)


def _triggerer() -> Iterator[Finding]:
    from airflow_provider_amplifybackend._compat import conf

    is_default = conf.getboolean("operators", "default_deferrable", fallback=False)
    yield triggerer_finding(has_triggerer(), is_default=is_default)


class CheckUp:
    """The check-up of one connection in one region, until nothing more can be asked."""

    def __init__(self, hook: AmplifyBackendHook, app_id: str | None, environment: str | None) -> None:
        from airflow_provider_amplifybackend.cli._heard import Heard

        self._hook = hook
        self._app_id = app_id
        self._environment = environment
        self._heard = Heard()

    def findings(self) -> Iterator[Finding]:
        """Yield what is found."""
        connection = self._connection()
        if not is_healthy([connection]):
            yield connection
            return
        try:
            client = self._client()
        except ServiceError as error:
            wrong = client_finding(error, self._role)
            yield from [wrong] if wrong.what == connection.what else [connection, wrong]
            return
        yield connection
        yield Finding(Mark.OK, "region", str(client.meta.region_name))
        wrong_way = yield from self._endpoint(str(client.meta.endpoint_url))
        if not wrong_way:
            yield from self._asked()

    def _asked(self) -> Iterator[Finding]:
        from airflow_provider_amplifybackend.hooks._neighbours import Neighbours

        neighbours: Any = Neighbours(self._hook)  # type: ignore[arg-type]  # as the guard does
        yield self._identity(neighbours)
        yield clock_finding(self._heard.ahead)
        place = self._place(neighbours)
        self._app_id, self._environment = place.app_id, place.environment
        yield place_finding(place)
        yield from reads_findings(Asked(self._reads()), len(OPERATIONS) - len(READS))
        yield self._guard()

    # ------------------------------------------------------------------------------------------- the way to AWS

    def _connection(self) -> Finding:
        """Look the connection up."""
        from airflow_provider_amplifybackend._compat import AirflowNotFoundException

        hook, conn_id = self._hook, self._hook.aws_conn_id
        if not conn_id:
            return Finding(Mark.OK, "connection", "boto3's own credentials are used")
        try:
            wrapper = hook.conn_config
            if wrapper:
                return found_finding(conn_id, str(wrapper.conn_type))
        except AirflowNotFoundException as error:
            if unread := unread_places(conn_id):
                return unread_finding(conn_id, unread, is_optional=False)
            return _unusable(error)
        except Exception as error:  # noqa: BLE001  # whatever it is: the connection cannot be used
            return _unusable(error)
        if unread := unread_places(conn_id):
            return unread_finding(conn_id, unread, is_optional=True)
        return Finding(Mark.OK, "connection", f"{conn_id} does not exist; boto3's own credentials are used")

    def _client(self) -> Any:
        """Make the client, and let it have its credentials, as far as there are any.

        :raises ServiceError: One of the two cannot be done.
        """
        from airflow_provider_amplifybackend.hooks._botocore_errors import client_error

        try:
            client = self._hook.conn
            credentials = self._hook.client_session.get_credentials()
            if credentials:
                credentials.get_frozen_credentials()
        except Exception as error:
            raise client_error("GetBackend", error, self._hook.texts) from error
        self._heard.listen_to(client)
        return client

    @property
    def _role(self) -> str | None:
        role = self._hook.conn_config.role_arn
        return str(role) if role else None

    def _endpoint(self, address: str) -> Generator[Finding, None, bool]:
        """Yield what the first call tells, and return whether no other needs to be made."""
        from airflow_provider_amplifybackend.hooks._neighbours import is_aws, is_local_service

        error = self._error_of_a_call()
        if self._heard.last and not self._heard.is_service:
            yield stranger_finding(foreign(address), self._heard.last)
            return True
        wrong = credentials_finding(error, self._role) if error else None
        if error and not wrong and not self._heard.is_service:
            wrong = silence_finding(foreign(address), error, self._role)
        if wrong is None or wrong.what != "endpoint":
            own = (
                "of AWS" if is_aws(address) else "the local AmplifyBackend" if is_local_service(address) else "not AWS"
            )
            yield Finding(Mark.OK, "endpoint", f"{foreign(address)} ({own})")
        if wrong:
            yield wrong
            yield clock_finding(self._heard.ahead)
        return wrong is not None

    def _error_of_a_call(self) -> ServiceError | None:
        """Return the error of a call about nothing; None if there is none."""
        try:
            self._answer("GetBackend", {"AppId": NOBODYS})
        except ServiceError as error:
            return error
        return None

    def _identity(self, neighbours: Neighbours) -> Finding:
        from airflow_provider_amplifybackend.guard.signs import Ask, UnreadableError

        credentials = self._hook.client_session.get_credentials()
        source = f"from {credentials.method}" if credentials else "from nowhere"
        try:
            identity = neighbours.ask(Ask("sts", "GetCallerIdentity", {}))
        except UnreadableError as error:
            why = foreign(error.code)
            text = f"taken by AmplifyBackend, {source}; STS does not say whose they are: {why}"
            return Finding(Mark.WARNING, "credentials", text)
        return Finding(Mark.OK, "credentials", f"{foreign(identity.get('Arn'))}, {source}")

    # --------------------------------------------------------------------------------------- what may be called

    def _place(self, neighbours: Neighbours) -> Place:
        """Find an app and an environment to ask about."""
        from airflow_provider_amplifybackend.guard.signs import Ask, UnreadableError

        app_id, is_given = self._app_id, self._app_id is not None
        if app_id is None:
            try:
                apps = neighbours.ask(Ask("amplify", "ListApps", {"maxResults": 1})).get("apps") or []
            except UnreadableError as error:
                return Place(None, self._environment, unlisted=str(error))
            app_id = str(apps[0]["appId"]) if apps else None
        if app_id is None:
            return Place(None, self._environment)
        try:
            listed = self._answer("GetBackend", {"AppId": app_id}).get("BackendEnvironmentList")
        except ServiceError as error:
            return Place(app_id, self._environment, is_given, error=error)
        names = [str(name) for name in listed or []]
        return Place(app_id, self._environment or next(iter(names), None), is_given, names)

    def _reads(self) -> dict[str, Any]:
        answers: dict[str, Any] = {}
        for name in READS:
            try:
                self._answer(name, self._request(name))
                answers[name] = None
            except ServiceError as error:
                answers[name] = error
        return answers

    def _request(self, operation: str) -> dict[str, Any]:
        """Return the request of a read: about what exists, as far as it is known, and else about nothing."""
        from airflow_provider_amplifybackend.parameters.service_model import service_model

        known = {
            "AppId": self._app_id or NOBODYS,
            "BackendEnvironmentName": self._environment or NOBODYS,
            "MaxResults": 1,
        }
        shape = service_model().operation_model(operation).input_shape
        members = shape.members if shape else {}
        needed = dict.fromkeys(shape.required_members if shape else (), NOBODYS)
        return needed | {name: value for name, value in known.items() if name in members}

    def _answer(self, operation: str, request: Mapping[str, Any]) -> dict[str, Any]:
        return self._hook.attempt(operation, request)

    def _guard(self) -> Finding:
        from airflow_provider_amplifybackend.core.timing import current
        from airflow_provider_amplifybackend.guard import settings, signs
        from airflow_provider_amplifybackend.guard.conditions import utc_now
        from airflow_provider_amplifybackend.guard.lease_reads import read_lease
        from airflow_provider_amplifybackend.guard.protected import SettingError, refuse_app_id

        guard = self._hook.guard
        try:
            mode, entries = settings.configured_mode(), guard.protected_entries()
            if self._app_id:
                refuse_app_id(entries, self._app_id)
        except (settings.ModeError, SettingError) as error:
            return Finding(Mark.WRONG, "guard", f"every deletion and change is refused: {error}")
        facts = signs.Facts(now=utc_now(current().now()))
        if self._app_id and self._environment:
            guard.read(signs.app_signs(self._app_id, facts, self._environment))
            guard.read(signs.environment_signs(self._app_id, self._environment, facts, wants_age=True))
            guard.read(read_lease(self._app_id, self._environment, facts))
        has_environment = self._environment is not None
        return guard_finding(mode, len(entries), facts.unreadable, has_environment=has_environment)


def _unusable(error: Exception) -> Finding:
    """Return the finding about a connection that cannot be used."""
    from airflow_provider_amplifybackend._compat import AirflowException
    from airflow_provider_amplifybackend.hooks._botocore_errors import ConnectionLookupError

    is_sentence = isinstance(error, AirflowException | ConnectionLookupError)
    text = foreign(error) if is_sentence else f"{type(error).__name__}: {foreign(error)}"
    return Finding(Mark.WRONG, "connection", text)
