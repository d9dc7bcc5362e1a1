"""Snapshots of environments, and their comparison with each other or with what is there now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from airflow_provider_amplifybackend.core.timing import current
from airflow_provider_amplifybackend.exceptions import (
    BackendDriftError,
    BackendParameterError,
    BackendRequestError,
    BackendStorageError,
)
from airflow_provider_amplifybackend.parameters.identity import as_optional_connection, as_region
from airflow_provider_amplifybackend.parameters.json_texts import read_json
from airflow_provider_amplifybackend.parameters.places import as_optional_names, as_place
from airflow_provider_amplifybackend.parameters.reading import as_choice, as_name, refuse_missing, shown
from airflow_provider_amplifybackend.tasks.aws_parameters import AwsParameters

if TYPE_CHECKING:
    from airflow_provider_amplifybackend._compat import Context
    from airflow_provider_amplifybackend.fleet.comparing import Difference
    from airflow_provider_amplifybackend.fleet.snapshot import Key

# The members of a side that is an environment rather than a file.
_LIVING = frozenset({"app_id", "backend_environment_name", "region_name", "aws_conn_id"})
_WHERE = ("region_name", "aws_conn_id")
FAIL_ON = ("never", "difference", "doubt")


def as_side(name: str, value: Any) -> Any:
    """Return a side of a comparison: the path of a snapshot, or the names of an environment.

    The result of a ``SnapshotBackendOperator`` is the path that it has.
    """
    refuse_missing(name, value)
    if isinstance(value, str) and value.lstrip().startswith("{"):
        value = _given_by_others(read_json(name, value, "use | tojson in its template"))
    if not isinstance(value, Mapping):
        return as_place(name, value)
    if "path" in value:
        return as_place(f"{name}['path']", value["path"])
    unknown = sorted(map(str, value.keys() - _LIVING))
    if unknown or not {"app_id", "backend_environment_name"} <= value.keys():
        raise BackendParameterError(
            f"{name}={shown(value)} must be the path of a snapshot, snapshot.output, or a dictionary with app_id and "
            "backend_environment_name, and perhaps region_name and aws_conn_id"
        )
    for member in ("app_id", "backend_environment_name"):
        as_name(f"{name}.{member}", value[member])
    as_optional_connection(f"{name}.aws_conn_id", value.get("aws_conn_id"))
    as_region(f"{name}.region_name", value.get("region_name"))
    return dict(value)


def _given_by_others(side: Any) -> Any:
    """Return a side that a template or another task has given, where None is a missing value and no identity."""
    if not isinstance(side, Mapping):
        return side
    return {name: "" if value is None and name in _WHERE else value for name, value in side.items()}


class SnapshotParameters(AwsParameters):
    """The base of the operators that take snapshots of environments.

    :param snapshot_key_conn_id: The connection whose password is the key of the digests of secrets, at least 16
        characters. Default: ``[amplifybackend] snapshot_key``; without either no digest is written. (templated)
    """

    template_fields: Sequence[str] = ("snapshot_key_conn_id", *AwsParameters.template_fields)
    careful = AwsParameters.careful | {"snapshot_key_conn_id"}
    readers = AwsParameters.readers | {"snapshot_key_conn_id": as_optional_connection}

    def __init__(self, *, snapshot_key_conn_id: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.snapshot_key_conn_id = snapshot_key_conn_id

    def _key(self) -> Key | None:
        from airflow_provider_amplifybackend.hooks._snapshots import KeyProblemError, find_key

        try:
            return find_key(self.read("snapshot_key_conn_id"))
        except KeyProblemError as error:
            raise BackendParameterError(f"{self.task_id}: {error}") from None

    def _take(self, app_id: str, environment: str, **where: Any) -> dict[str, Any]:
        """Return a snapshot of what is there now.

        :raises BackendRequestError: There is no such environment, or it cannot be read.
        """
        from airflow_provider_amplifybackend.hooks._snapshots import take
        from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook

        parameters = self.aws_parameters | where
        hook = AmplifyBackendHook(config=parameters.pop("botocore_config"), **parameters)
        return take(hook, app_id, environment, current().now(), self._key())


class SnapshotBackendOperator(SnapshotParameters):
    """
    Write down everything that the service tells of an environment. Nothing of the service is changed.

    .. seealso:: `GetBackend <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/GetBackend>`__,
        `GetBackendAuth <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/GetBackendAuth>`__,
        `GetBackendAPI <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/GetBackendAPI>`__,
        `GetBackendStorage <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/GetBackendStorage>`__

    :param app_id: The app's id. (templated)
    :param backend_environment_name: The environment. (templated)
    :param path: The folder to write ``APP_ENV.snapshot.json`` to: ``"s3://bucket/prefix/{{ ds }}"``, or any
        ``ObjectStoragePath``. (templated)
    :param on_error: What to do if a part cannot be read: ``"fail"`` to write nothing, ``"report"`` to name it in the
        manifest; a comparison then says "not comparable". (templated)

    :return: ``path`` (of the file), ``version``, ``app_id``, ``backend_environment_name``, ``region``, ``taken_at``,
        ``sha256`` (of the content), ``resources`` and ``secrets`` (how many), ``digests`` (the name of their key;
        None: there are none) and ``unreadable``.
    """

    template_fields: Sequence[str] = (
        "app_id",
        "backend_environment_name",
        "path",
        "on_error",
        *SnapshotParameters.template_fields,
    )
    readers = SnapshotParameters.readers | {
        "app_id": as_name,
        "backend_environment_name": as_name,
        "path": as_place,
        "on_error": partial(as_choice, accepted=("fail", "report")),
    }
    ui_color = "#fff3e0"

    def __init__(
        self, *, app_id: str, backend_environment_name: str, path: Any, on_error: str = "fail", **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.app_id = app_id
        self.backend_environment_name = backend_environment_name
        self.path = path
        self.on_error = on_error

    def execute(self, context: Context) -> dict[str, Any]:
        """Read the environment, write its snapshot, and return what it is."""
        from airflow_provider_amplifybackend.fleet.snapshot import Subject, as_bytes, facts
        from airflow_provider_amplifybackend.hooks._records import StorageError, StoredFile

        self.validate()
        app_id, environment = self.read("app_id"), self.read("backend_environment_name")
        snapshot = self._take(app_id, environment)
        found = facts(snapshot)
        if found["unreadable"] and self.read("on_error") == "fail":
            gaps = "; ".join(f"{gap['what']}: {gap['why']}" for gap in found["unreadable"])
            raise BackendRequestError(
                f"{self.task_id}: environment {environment} of app {app_id} cannot be read in full, and nothing was "
                f"written: {gaps}"
            )
        name = Subject(app_id, environment, "").file_name
        file = StoredFile(self.read("path"), name, aws_conn_id=self.aws_conn_id)
        try:
            file.write_bytes(as_bytes(snapshot))
        except StorageError as error:
            raise BackendStorageError(f"{self.task_id}: {file} cannot be written: {error}") from error
        self.log.info("Snapshot of environment %s, app %s: %s", environment, app_id, file)
        return {"path": str(file), **found}


class CompareBackendsOperator(SnapshotParameters):
    """
    Compare two snapshots, a snapshot with an environment, or two environments. Nothing of the service is changed.

    .. seealso:: `GetBackend <https://docs.aws.amazon.com/goto/WebAPI/amplifybackend-2020-08-11/GetBackend>`__

    :param left: The side that counts as the original: the path of a snapshot, ``snapshot.output``, or a dictionary with
        ``app_id`` and ``backend_environment_name``, and perhaps ``region_name`` and ``aws_conn_id`` instead of the
        task's, with the same meaning of None. (templated)
    :param right: The side that is compared with it, in the same forms. (templated)
    :param fail_on: When the task fails: ``"never"``, on a ``"difference"``, or also in ``"doubt"``: if something
        cannot be compared. (templated)
    :param ignore: Paths that do not matter, with ``*`` and ``?``: ``["api.*.TransformSchema"]``. (templated)

    :return: ``equal`` (no difference, and nothing that cannot be compared), ``differences`` (each with ``path``,
        ``change``, ``left``, ``right``, ``why``), ``different`` and ``not_comparable`` (how many), ``more`` (how many
        more there are than 32 kB hold), and of ``left`` and ``right`` what each is.
    """

    template_fields: Sequence[str] = ("left", "right", "fail_on", "ignore", *SnapshotParameters.template_fields)
    readers = SnapshotParameters.readers | {
        "left": as_side,
        "right": as_side,
        "fail_on": partial(as_choice, accepted=FAIL_ON),
        "ignore": partial(as_optional_names, read=lambda name, value: str(value), may_be_empty=True),
    }
    ui_color = "#fff3e0"

    def __init__(
        self, *, left: Any, right: Any, fail_on: str = "never", ignore: Sequence[str] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.left = left
        self.right = right
        self.fail_on = fail_on
        self.ignore = ignore

    def set_rendered(self, name: str, value: Any) -> None:
        """Set a parameter to what was rendered, where only a side in the DAG file can mean boto3's own identity."""
        is_given_by_others = name in ("left", "right") and not isinstance(getattr(self, name), Mapping)
        super().set_rendered(name, _given_by_others(value) if is_given_by_others else value)

    def execute(self, context: Context) -> dict[str, Any]:
        """Compare the two sides, log how they differ, and return it."""
        from airflow_provider_amplifybackend.fleet.comparing import compare, result, text
        from airflow_provider_amplifybackend.fleet.snapshot import facts

        self.validate()
        sides = {name: self._side(self.read(name)) for name in ("left", "right")}
        differences = compare(sides["left"], sides["right"], self.read("ignore") or ())
        shown_sides = {name: facts(side) for name, side in sides.items()}
        self.log.info("%s", text(differences, *(_named(side) for side in shown_sides.values())))
        found = result(differences, shown_sides)
        self._end(differences, found)
        return found

    def _side(self, side: Any) -> Mapping[str, Any]:
        from airflow_provider_amplifybackend.hooks._snapshots import SnapshotUnreadableError, load

        if isinstance(side, dict):
            # Also a None: as for the task itself, it is boto3's own identity, or the connection's region.
            where = {name: side[name] for name in _WHERE if name in side}
            return self._take(str(side["app_id"]), str(side["backend_environment_name"]), **where)
        try:
            return load(side, aws_conn_id=self.aws_conn_id)
        except SnapshotUnreadableError as error:
            raise BackendStorageError(f"{self.task_id}: {error}") from error

    def _end(self, differences: Sequence[Difference], found: Mapping[str, Any]) -> None:
        fail_on = self.read("fail_on")
        matter = found["different"] + (found["not_comparable"] if fail_on == "doubt" else 0)
        if fail_on == "never" or not matter:
            return
        lines = "\n".join(str(one) for one in differences)[:4000]
        what = f"{found['different']} different, {found['not_comparable']} not comparable"
        raise BackendDriftError(
            f"{self.task_id}: {_named(found['left'])} and {_named(found['right'])} differ ({what}):\n{lines}",
            differences=found["differences"],
        )


def _named(side: Mapping[str, Any]) -> str:
    return f"{side['app_id']}/{side['backend_environment_name']} ({side['taken_at']})"
