"""The notifier that tells whoever owns an environment what failed."""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from airflow_provider_amplifybackend._compat import notifier_base
from airflow_provider_amplifybackend.core import names
from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.notifications._failed_task import FailedTask
from airflow_provider_amplifybackend.notifications._failure import Failure, failure_of

if TYPE_CHECKING:
    from airflow.sdk.bases.notifier import BaseNotifier

    from airflow_provider_amplifybackend._compat import Context
else:
    BaseNotifier = notifier_base()

KEY = "backend_failure"
NO_TASK = (
    "BackendOwnerNotifier tells of a task that has failed, and there is none: it is for on_failure_callback of tasks, "
    'such as default_args={"on_failure_callback": ...}, and not for that of a DAG'
)
Channel = Callable[[Any], Any]


class BackendOwnerNotifier(BaseNotifier):
    """
    Tell whoever owns the app of an environment that a task has failed: what, with job, log and next step.

    For ``on_failure_callback=`` of tasks. The owner is a tag of the Amplify app. It delivers nothing itself: it calls
    the notifier or function of the owner, whose templates have the facts as ``backend_failure``.

    :param channels: By owner, a notifier (such as ``SnsNotifier``) or a function that takes the context, or a list of
        these.
    :param default: The same for everybody else: an app without the tag, an owner without a channel, tags that cannot be
        read. Default: nobody is told, and the log says so.
    :param owner_tag: The key of the tag. (templated)
    :param app_id: The app. Default: that of the task. (templated)
    :param backend_environment_name: The environment. Default: that of the task. (templated)
    :param aws_conn_id: The Airflow connection with which the app's tags are read. Default: the task's own.
    :param region_name: AWS region. Default: the task's own.
    """

    template_fields: Sequence[str] = ("owner_tag", "app_id", "backend_environment_name")

    def __init__(
        self,
        *,
        channels: Mapping[str, Channel | Sequence[Channel]],
        default: Channel | Sequence[Channel] = (),
        owner_tag: str = "owner",
        app_id: str | None = None,
        backend_environment_name: str | None = None,
        aws_conn_id: str | None = None,
        region_name: str | None = None,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.default = default
        self.owner_tag = owner_tag
        self.app_id = app_id
        self.backend_environment_name = backend_environment_name
        self.aws_conn_id = aws_conn_id
        self.region_name = region_name

    def __call__(self, *args: Any) -> None:
        """Tell the owner, with templates that are rendered for this failure alone."""
        # Airflow renders a notifier in place: called for a second failure in the same process, this one would
        # say the names of the first.
        if len(args) != 1 or "ti" not in args[0]:
            raise BackendParameterError(NO_TASK)
        super(BackendOwnerNotifier, copy.copy(self)).__call__(*args)

    def notify(self, context: Context) -> None:
        """Tell the owner. If a channel fails, the others are tried all the same."""
        failure = failure_of(context, self.app_id, self.backend_environment_name)
        owner = self._owner(context, failure)
        failure = failure.owned_by(owner)
        channels = _each(self.channels.get(owner or "", self.default))
        if not channels:
            self.log.warning("Nobody is told of it (owner: %s): %s", owner or "unknown", failure.subject)
        # In place, as Airflow's notifiers add to it: to copy that of Airflow 2 reads what is deprecated there.
        cast("dict[str, Any]", context)[KEY] = failure.to_dict()
        failed: Exception | None = None
        for channel in channels:
            try:
                # A notifier renders its own templates in place, and would say the same ever after.
                copy.copy(channel)(context)
            except Exception as error:  # noqa: BLE001  # the others are to hear of it, too
                self.log.error("%s failed: %s", type(channel).__name__, type(error).__name__)
                failed = failed or error
        if failed:
            raise failed

    def _owner(self, context: Context, failure: Failure) -> str | None:
        """Return the owner of the app; None if nobody knows, which must not keep anybody from being told."""
        if not names.can_name(failure.app_id):
            return None
        from airflow_provider_amplifybackend.guard.signs import UnreadableError
        from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook

        try:
            hook = AmplifyBackendHook(**self._aws_parameters(context))
            tags = hook.guard.read(_tags(str(failure.app_id)))
        except Exception as error:  # noqa: BLE001
            why = error if isinstance(error, UnreadableError | BackendParameterError) else type(error).__name__
            self.log.warning("The tags of app %s cannot be read: %s", failure.app_id, why)
            return None
        owner = tags.get(self.owner_tag)
        return str(owner) if owner else None

    def _aws_parameters(self, context: Context) -> dict[str, Any]:
        given = {"aws_conn_id": self.aws_conn_id, "region_name": self.region_name}
        given = {name: value for name, value in given.items() if value is not None}
        own = FailedTask(cast("dict[str, Any]", context)).aws_parameters(given)
        own["config"] = own.pop("botocore_config", None)
        return own


def _tags(app_id: str) -> Generator[Any, Mapping[str, Any], Mapping[str, Any]]:
    from airflow_provider_amplifybackend.guard.signs import Ask

    answer = yield Ask("amplify", "GetApp", {"appId": app_id})
    tags: Mapping[str, Any] = answer.get("app", {}).get("tags") or {}
    return tags


def _each(channels: Channel | Sequence[Channel]) -> list[Channel]:
    return [channels] if callable(channels) else list(channels)
