"""The inventory of a fleet: every environment of many apps, regions and connections."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_amplifybackend.exceptions import BackendRequestError, BackendStorageError
from airflow_provider_amplifybackend.parameters.durations import as_duration
from airflow_provider_amplifybackend.parameters.identity import as_named_connection, as_named_region
from airflow_provider_amplifybackend.parameters.limits import as_bounded
from airflow_provider_amplifybackend.parameters.places import as_optional_names, as_place
from airflow_provider_amplifybackend.parameters.reading import as_choice
from airflow_provider_amplifybackend.tasks.aws_parameters import AwsParameters

if TYPE_CHECKING:
    from airflow_provider_amplifybackend._compat import Context
    from airflow_provider_amplifybackend.core.turns import Turns
    from airflow_provider_amplifybackend.hooks._fleet import PacedHook

DEFAULT_REQUESTS_PER_SECOND = 10.0
MOST_REQUESTS_PER_SECOND = 100.0


class BackendInventoryOperator(AwsParameters):
    """
    Read every environment of many apps, regions and connections, and write them down as tables and as a report.

    .. seealso:: `GetBackend <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/GetBackend>`__,
        `ListBackendJobs <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/ListBackendJobs>`__

    :param path: The folder to write ``environments.jsonl``, ``environments.csv`` and ``report.html`` to:
        ``"s3://bucket/prefix/{{ ds }}"``, or any ``ObjectStoragePath``. (templated)
    :param app_ids: Only these apps. Default: all apps of the account in the region. (templated)
    :param regions: The regions. Default: ``region_name``, or the connection's. (templated)
    :param connections: The connections. Default: ``aws_conn_id``. (templated)
    :param requests_per_second: The most requests that leave in a second, over all regions and services. (templated)
    :param stuck_after: A job that has not ended for longer is stuck: ``"2h"``, or a timedelta. (templated)
    :param stale_after: An environment that nobody has changed for longer, and that is neither protected nor leased, is
        worth a question: ``"90d"``, or a timedelta. (templated)
    :param on_error: What to do once all is written if something could not be read: ``"report"`` to succeed as long as
        one region could be listed, ``"fail"`` to fail. (templated)

    :return: ``version``, ``files`` (the address of each), ``requests``, ``seconds``, ``apps``, ``environments``,
        ``errors``, ``attention`` (findings by level), ``by_health``, ``by_migration``, ``by_gen2``, ``by_region``,
        ``first`` (what needs attention first, at most 50) and ``more`` (how many more there are); at most 16 kB. An
        XCom of its own, ``amplify_backends``, of at most 48 kB, is for the page "Amplify backends" in Airflow's UI.
    """

    template_fields: Sequence[str] = (
        "path",
        "app_ids",
        "regions",
        "connections",
        "requests_per_second",
        "stuck_after",
        "stale_after",
        "on_error",
        *AwsParameters.template_fields,
    )
    careful = AwsParameters.careful | {"app_ids", "regions", "connections"}
    readers = AwsParameters.readers | {
        "path": as_place,
        "app_ids": as_optional_names,
        "regions": partial(as_optional_names, read=as_named_region),
        "connections": partial(as_optional_names, read=as_named_connection),
        "requests_per_second": partial(as_bounded, least=0.1, most=MOST_REQUESTS_PER_SECOND),
        "stuck_after": as_duration,
        "stale_after": as_duration,
        "on_error": partial(as_choice, accepted=("report", "fail")),
    }
    ui_color = "#fff3e0"

    def __init__(
        self,
        *,
        path: Any,
        app_ids: Sequence[str] | None = None,
        regions: Sequence[str] | None = None,
        connections: Sequence[str] | None = None,
        requests_per_second: float = DEFAULT_REQUESTS_PER_SECOND,
        stuck_after: Any = "2h",
        stale_after: Any = "90d",
        on_error: str = "report",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.path = path
        self.app_ids = app_ids
        self.regions = regions
        self.connections = connections
        self.requests_per_second = requests_per_second
        self.stuck_after = stuck_after
        self.stale_after = stale_after
        self.on_error = on_error

    def execute(self, context: Context) -> dict[str, Any]:
        """Read everything, write it down, and return a summary."""
        from airflow_provider_amplifybackend.core.turns import Turns
        from airflow_provider_amplifybackend.fleet.tables import summary
        from airflow_provider_amplifybackend.hooks._fleet import new_wishes, read_fleet

        self.validate()
        turns = Turns(self.read("requests_per_second"))
        wishes = new_wishes(self.read("app_ids"), self.read("stuck_after"), self.read("stale_after"))
        rows, facts = read_fleet(self._scopes(), partial(self._make_hook, turns), wishes, turns)
        found = summary(rows, {"files": self._write(rows, facts), **facts})
        self.log.info(
            "%s environments of %s apps, read with %s requests in %s s; %s could not be read",
            found["environments"], found["apps"], found["requests"], found["seconds"], found["errors"],
        )  # fmt: skip
        self._leave_for_page(context, rows, facts)
        self._end(rows, found)
        return found

    def _leave_for_page(self, context: Context, rows: list[dict[str, Any]], facts: dict[str, Any]) -> None:
        """Leave as much as fits for the page "Amplify backends" in Airflow's UI."""
        from airflow_provider_amplifybackend.fleet.stored import XCOM_KEY, compact

        if self.do_xcom_push:
            context["ti"].xcom_push(key=XCOM_KEY, value=compact(rows, facts))

    def _scopes(self) -> list[tuple[str | None, str | None]]:
        connections = self.read("connections") or [self.read("aws_conn_id")]
        regions = self.read("regions") or [self.read("region_name")]
        return [(connection, region) for connection in connections for region in regions]

    def _make_hook(self, turns: Turns, connection: str | None, region: str | None) -> PacedHook:
        from airflow_provider_amplifybackend.hooks._fleet import paced_hook

        parameters = self.aws_parameters | {"aws_conn_id": connection, "region_name": region}
        return paced_hook(turns, config=parameters.pop("botocore_config"), **parameters)

    def _write(self, rows: list[dict[str, Any]], facts: dict[str, Any]) -> dict[str, str]:
        from airflow_provider_amplifybackend.hooks._fleet_files import write_inventory

        try:
            return write_inventory(self.read("path"), rows, facts, aws_conn_id=self.aws_conn_id)
        except BackendStorageError as error:
            raise BackendStorageError(f"{self.task_id}: {error}") from error.__cause__

    def _end(self, rows: list[dict[str, Any]], found: dict[str, Any]) -> None:
        """Fail if something could not be read and that matters; everything else is written by now."""
        if not found["errors"]:
            return
        unread = [row for row in rows if row["kind"] != "environment" or row["jobs"] is None]
        regions = {(row["connection"], row["region"]) for row in unread if row["kind"] == "region"}
        seen = {(row["connection"], row["region"]) for row in rows if row["kind"] == "environment"}
        if self.read("on_error") == "fail" or (regions and not seen):
            why = "; ".join(dict.fromkeys(reason for row in unread for reason in row["unreadable"]))
            raise BackendRequestError(
                f"{self.task_id}: {len(unread)} of {len(rows)} rows could not be read, the report is at "
                f"{found['files']['report']}: {why[:2000]}"
            )
