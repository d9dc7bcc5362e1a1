"""The client of the control interface of a local AmplifyBackend, in this process or another.

It needs only the standard library, so that a test suite can use it against a server that runs elsewhere.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import quote, urlencode

from airflow_provider_amplifybackend.local.http.asgi import CONTROL_PREFIX
from airflow_provider_amplifybackend.local.service.checks import without_userinfo

# A proxy from the environment must not catch requests to the loopback address.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class ControlError(Exception):
    """The control interface refused: the message says what it takes instead."""


class LocalControl:
    """The control interface of the server at `endpoint_url`."""

    def __init__(self, endpoint_url: str, *, timeout: float = 30.0) -> None:
        if (shown := without_userinfo(endpoint_url)) != endpoint_url:
            # urllib would take it for the name of a host, and quote it in its error.
            raise ValueError(f"endpoint_url {shown} has a user or a password in front of its host, and needs none")
        self.endpoint_url = endpoint_url.rstrip("/")
        self._timeout = timeout

    def health(self) -> dict[str, Any]:
        return self._ask("GET", "/health")

    def reset(self) -> None:
        """Go back to how the server started: state, faults, journal, clock, settings."""
        self._ask("POST", "/reset")

    # State

    def seed(self, document: dict[str, Any] | None = None, **members: Any) -> None:
        """Make apps, environments, resources, jobs and buckets exist, as docs/local.md describes it."""
        self._ask("POST", "/seed", {**(document or {}), **members})

    def seed_app(
        self,
        app_id: str,
        *environments: str | dict[str, Any],
        account: str | None = None,
        region: str | None = None,
        **members: Any,
    ) -> None:
        """Make one app with these environments exist, the common case."""
        where: dict[str, Any] = {name: value for name, value in (("account", account), ("region", region)) if value}
        app = {"app_id": app_id, "environments": list(environments), **members}
        self.seed(apps=[app], **where)

    def lock(self, app_id: str, environment: str, *, holding: bool = False, **where: Any) -> None:
        """Let an environment be seen as `amplify gen2-migration` leaves it when it has locked it.

        :param holding: as after its refactor step, too: with a stack that it holds for a rollback.
        :param where: `account` and `region`.
        """
        app = {"app_id": app_id, "environments": [{"name": environment, "locked": True}]}
        held = [f"amplify-{app_id}-main-branch-0123456789-auth-holding"] if holding else []
        self.seed(apps=[app], stacks=held, **where)

    def unlock(self, app_id: str, environment: str, **where: Any) -> None:
        """Take back what `lock` says of an environment; a stack that is held stays."""
        self.seed(apps=[{"app_id": app_id, "environments": [{"name": environment, "locked": False}]}], **where)

    def state(self) -> list[dict[str, Any]]:
        """Return the state of every account and region."""
        stores: list[dict[str, Any]] = self._ask("GET", "/state")["stores"]
        return stores

    def jobs(self) -> list[dict[str, Any]]:
        """Return all jobs of all accounts, regions, apps and environments, with internals."""
        jobs: list[dict[str, Any]] = self._ask("GET", "/jobs")["jobs"]
        return jobs

    def end_job(self, job_id: str, status: str = "COMPLETED", error: str | None = None) -> dict[str, Any]:
        """End a job now, with its effect on the environment."""
        quoted = quote(job_id, safe="", errors="surrogatepass")
        return self._ask("POST", f"/jobs/{quoted}/end", {"status": status, "error": error})

    # Faults

    def add_fault(self, operation: str = "*", *, kind: str, **options: Any) -> dict[str, Any]:
        """Script a fault: `service`, `times`, `probability`, `seed`, `app_id`, `environment`, its kind's options."""
        return self._ask("POST", "/faults", {"operation": operation, "kind": kind, **options})

    def faults(self) -> list[dict[str, Any]]:
        faults: list[dict[str, Any]] = self._ask("GET", "/faults")["faults"]
        return faults

    def remove_fault(self, fault_id: int) -> None:
        self._ask("DELETE", f"/faults/{fault_id}")

    def clear_faults(self) -> None:
        self._ask("DELETE", "/faults")

    # Journal

    def journal(
        self,
        operation: str | None = None,
        *,
        effective: bool | None = None,
        service: str | None = None,
        app_id: str | None = None,
        environment: str | None = None,
        after: int = 0,
    ) -> list[dict[str, Any]]:
        """Return the requests that were seen, oldest first; `after` is the last `seq` known already.

        Those to AWS Amplify and CloudFormation are among them: `service` is `amplifybackend`, `amplify` or
        `cloudformation`.
        """
        filters = {"service": service, "operation": operation, "app_id": app_id, "environment": environment}
        query: dict[str, Any] = {name: value for name, value in filters.items() if value is not None}
        if effective is not None:
            query["effective"] = "true" if effective else "false"
        if after:
            query["after"] = after
        quoted = urlencode(query, errors="surrogatepass")
        entries: list[dict[str, Any]] = self._ask("GET", f"/journal?{quoted}")["entries"]
        return entries

    def clear_journal(self) -> None:
        self._ask("DELETE", "/journal")

    # Switches and clock

    def settings(self) -> dict[str, Any]:
        return self._ask("GET", "/settings")

    def set(self, **changes: Any) -> dict[str, Any]:
        """Turn switches: `set(job_seconds=0.2, gone_environment="absent")`."""
        return self._ask("PATCH", "/settings", changes)

    def clock(self) -> dict[str, Any]:
        return self._ask("GET", "/clock")

    def set_clock(self, *, skew_seconds: float | None = None, frozen: bool | None = None) -> dict[str, Any]:
        """Let the service's clock differ from the caller's, or stand still until `advance`."""
        given = {"skew_seconds": skew_seconds, "frozen": frozen}
        changes = {name: value for name, value in given.items() if value is not None}
        return self._ask("PATCH", "/clock", changes)

    def advance(self, seconds: float) -> dict[str, Any]:
        """Jump ahead in time: jobs that are due by then end, tokens expire."""
        return self._ask("POST", "/clock/advance", {"seconds": seconds})

    def _ask(self, method: str, path: str, content: dict[str, Any] | None = None) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310  # the caller's own endpoint
            self.endpoint_url + CONTROL_PREFIX + path,
            method=method,
            data=None if content is None else json.dumps(content).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with _opener.open(request, timeout=self._timeout) as response:
                answer: dict[str, Any] = json.load(response)
                return answer
        except urllib.error.HTTPError as error:
            with error:
                raise ControlError(_message(error)) from None


def _message(error: urllib.error.HTTPError) -> str:
    body = error.read().decode(errors="replace")
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {error.code}: {without_userinfo(body)}"
