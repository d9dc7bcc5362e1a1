"""``doctor``: a check-up of a connection, with reads that change nothing."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from airflow_provider_amplifybackend import __version__
from airflow_provider_amplifybackend.cli._database import has_triggerer
from airflow_provider_amplifybackend.cli._running import FAILED, OK, command, make_hook, shown, write
from airflow_provider_amplifybackend.core.operations import OPERATIONS

if TYPE_CHECKING:
    from airflow_provider_amplifybackend.cli._findings import Finding
    from airflow_provider_amplifybackend.hooks._neighbours import Neighbours
    from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook

# What nobody has: the answer is then that there is no such thing, which says that the call is allowed.
NOBODYS = "doctor0nothing"
READS = tuple(name for name, operation in OPERATIONS.items() if operation.only_reads)


@command
def doctor(options: Namespace) -> int:
    """Check a connection."""
    from airflow_provider_amplifybackend._compat import airflow_version
    from airflow_provider_amplifybackend.cli._findings import Finding, is_healthy, screen

    hook = make_hook(options)
    found = [*CheckUp(hook, options.app_id, options.environment).findings(), _triggerer()]
    findings = [Finding(one.mark, one.what, shown(one.text)) for one in found]
    if options.output == "json":
        write(json.dumps([finding.to_dict() for finding in findings], indent=2))
    else:
        name = options.aws_conn_id or "none (boto3's own credentials)"
        write(screen(f"Connection {name}; provider {__version__}, Airflow {airflow_version}", findings))
    return OK if is_healthy(findings) else FAILED


def _triggerer() -> Finding:
    from airflow_provider_amplifybackend._compat import conf
    from airflow_provider_amplifybackend.cli._findings import triggerer_finding

    is_default = conf.getboolean("operators", "default_deferrable", fallback=False)
    return triggerer_finding(has_triggerer(), is_default=is_default)


class CheckUp:
    """The check-up of one connection in one region, until nothing more can be asked."""

    def __init__(self, hook: AmplifyBackendHook, app_id: str | None, environment: str | None) -> None:
        self._hook = hook
        self._app_id = app_id
        self._environment = environment
        # How far the service's clock is ahead of ours, by its answers.
        self._ahead: list[float] = []

    def findings(self) -> Iterator[Finding]:
        """Yield what is found."""
        from airflow_provider_amplifybackend._compat import AirflowException
        from airflow_provider_amplifybackend.cli._findings import Finding, Mark, clock_finding, way_finding
        from airflow_provider_amplifybackend.core.requests import ServiceError

        try:
            yield self._connection()
        except AirflowException as error:
            yield Finding(Mark.WRONG, "connection", str(error))
            return
        except Exception as error:  # noqa: BLE001  # whatever it is: the connection cannot be used
            yield Finding(Mark.WRONG, "connection", f"{type(error).__name__}: {error}")
            return
        try:
            yield from self._way()
            # The first call of all shows whether any can be made.
            self._answer("GetBackend", {"AppId": self._app_id or NOBODYS})
        except ServiceError as error:
            if wrong := way_finding(error):
                yield wrong
                yield clock_finding(self._ahead_of_ours)
                return
        yield from self._asked()

    def _asked(self) -> Iterator[Finding]:
        from airflow_provider_amplifybackend.cli._findings import Asked, clock_finding, reads_findings
        from airflow_provider_amplifybackend.hooks._neighbours import Neighbours

        neighbours: Any = Neighbours(self._hook)  # type: ignore[arg-type]  # as the guard does
        yield self._identity(neighbours)
        yield clock_finding(self._ahead_of_ours)
        yield self._place(neighbours)
        yield from reads_findings(Asked(self._reads()), len(OPERATIONS) - len(READS))
        yield self._guard()

    # ------------------------------------------------------------------------------------------- the way to AWS

    def _connection(self) -> Finding:
        from airflow_provider_amplifybackend.cli._findings import Finding, Mark

        conn_id = self._hook.aws_conn_id
        _ = self._hook.conn_config
        if self._hook.connection_found:
            return Finding(Mark.OK, "connection", f"{conn_id} was found")
        missing = f"{conn_id} does not exist or cannot be read; " if conn_id else ""
        return Finding(Mark.OK, "connection", f"{missing}boto3's own credentials are used")

    def _way(self) -> Iterator[Finding]:
        """Yield what is known without a request.

        :raises ServiceError: No client can be made.
        """
        from airflow_provider_amplifybackend.cli._findings import Finding, Mark
        from airflow_provider_amplifybackend.hooks._botocore_errors import client_error
        from airflow_provider_amplifybackend.hooks._neighbours import is_aws, is_local_service

        try:
            client = self._hook.conn
        except Exception as error:
            raise client_error("GetBackend", error, self._hook.texts) from error
        client.meta.events.register("response-received.amplifybackend", self._note_time)
        endpoint = str(client.meta.endpoint_url)
        own = "of AWS" if is_aws(endpoint) else "the local AmplifyBackend" if is_local_service(endpoint) else "not AWS"
        yield Finding(Mark.OK, "region", str(client.meta.region_name))
        yield Finding(Mark.OK, "endpoint", f"{endpoint} ({own})")

    def _note_time(self, parsed_response: Any = None, **_: Any) -> None:
        from airflow_provider_amplifybackend.core.timing import current, http_date

        with suppress(KeyError, TypeError, ValueError, OverflowError, IndexError):
            moment = http_date(parsed_response["ResponseMetadata"]["HTTPHeaders"]["date"])
            self._ahead.append(moment.timestamp() - current().now())

    @property
    def _ahead_of_ours(self) -> float | None:
        """The least difference that an answer has told: a slow one tells too much."""
        return min(self._ahead, key=abs, default=None)

    def _identity(self, neighbours: Neighbours) -> Finding:
        from airflow_provider_amplifybackend.cli._findings import Finding, Mark
        from airflow_provider_amplifybackend.guard.signs import Ask, UnreadableError

        credentials = self._hook.client_session.get_credentials()
        source = f"from {credentials.method}" if credentials else "from nowhere"
        try:
            identity = neighbours.ask(Ask("sts", "GetCallerIdentity", {}))
        except UnreadableError as error:
            text = f"taken by AmplifyBackend, {source}; STS does not say whose they are: {error.code}"
            return Finding(Mark.WARNING, "credentials", text)
        return Finding(Mark.OK, "credentials", f"{identity.get('Arn')}, {source}")

    # --------------------------------------------------------------------------------------- what may be called

    def _place(self, neighbours: Neighbours) -> Finding:
        """Find an app and an environment to ask about."""
        from airflow_provider_amplifybackend.cli._findings import Finding, Mark
        from airflow_provider_amplifybackend.core.requests import ServiceError
        from airflow_provider_amplifybackend.guard.signs import Ask, UnreadableError

        given = self._app_id
        if self._app_id is None:
            with suppress(UnreadableError):
                apps = neighbours.ask(Ask("amplify", "ListApps", {"maxResults": 1})).get("apps") or []
                self._app_id = str(apps[0]["appId"]) if apps else None
        names: list[str] = []
        with suppress(ServiceError):
            if self._app_id is not None:
                listed = self._answer("GetBackend", {"AppId": self._app_id}).get("BackendEnvironmentList")
                names = [str(name) for name in listed or []]
        if given and not names:
            return Finding(Mark.WRONG, "app", f"{given} has no environment in this region and account")
        if self._environment is not None and self._environment not in names:
            return Finding(Mark.WRONG, "app", f"{self._app_id or 'no app'} has no environment {self._environment}")
        self._environment = self._environment or (names[0] if names else None)
        if self._environment is None:
            return Finding(Mark.UNKNOWN, "app", "none was found; reads are asked about one that does not exist")
        return Finding(Mark.OK, "app", f"{self._app_id}, environment {self._environment} ({len(names)} in all)")

    def _reads(self) -> dict[str, Any]:
        from airflow_provider_amplifybackend.core.requests import ServiceError

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
        from airflow_provider_amplifybackend.cli._findings import Finding, Mark, guard_finding
        from airflow_provider_amplifybackend.core.timing import current
        from airflow_provider_amplifybackend.guard import settings, signs
        from airflow_provider_amplifybackend.guard.conditions import utc_now
        from airflow_provider_amplifybackend.guard.lease_reads import read_lease
        from airflow_provider_amplifybackend.guard.protected import SettingError

        guard = self._hook.guard
        try:
            mode, entries = settings.configured_mode(), guard.protected_entries()
        except (settings.ModeError, SettingError) as error:
            return Finding(Mark.WRONG, "guard", f"every deletion and change is refused: {error}")
        facts = signs.Facts(now=utc_now(current().now()))
        if self._app_id and self._environment:
            guard.read(signs.app_signs(self._app_id, facts, self._environment))
            guard.read(signs.environment_signs(self._app_id, self._environment, facts, wants_age=True))
            guard.read(read_lease(self._app_id, self._environment, facts))
        has_environment = self._environment is not None
        return guard_finding(mode, len(entries), facts.unreadable, has_environment=has_environment)
