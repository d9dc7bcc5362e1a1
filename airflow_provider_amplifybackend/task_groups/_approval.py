"""The approval of a plan by a person. Airflow 3.1 and newer have its base, so this module is imported when needed."""

from __future__ import annotations

import inspect
from collections.abc import Collection
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_amplifybackend._compat import human_in_the_loop
from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.guard.approval import DIGEST
from airflow_provider_amplifybackend.guard.plan_text import plan_text
from airflow_provider_amplifybackend.operators._deleting import as_plan

if TYPE_CHECKING:
    from airflow.providers.standard.operators.hitl import ApprovalOperator, HITLOperator
    from airflow.sdk import Param
    from airflow.sdk.definitions.param import ParamsDict

    from airflow_provider_amplifybackend._compat import Context
else:
    _people = human_in_the_loop("guarded_deletion")
    ApprovalOperator, HITLOperator = _people.ApprovalOperator, _people.HITLOperator
    from airflow.sdk import Param
    from airflow.sdk.definitions.param import ParamsDict


# Earlier standard providers take the time for an answer as the task's own time-out.
_ANSWER_TIMEOUT = (
    "response_timeout"
    if "response_timeout" in inspect.signature(HITLOperator.__init__).parameters
    else "execution_timeout"
)


class ApproveBackendDeletionOperator(ApprovalOperator):
    """
    Show the plan of a deletion to somebody, and wait for "Approve" or "Reject".

    The digest of the plan is part of the form, so that the answer comes back with the digest of the page on which it
    was given, and not with that of a plan which was made since.

    :param plan: The plan: ``plan.output``. (templated)
    :param subject: The headline. Default: what would be deleted. (templated)
    :param response_timeout: For how long to wait for an answer. Default: as long as it takes.
    """

    template_fields: Collection[str] = (*ApprovalOperator.template_fields, "plan")
    template_fields_renderers = {"plan": "json"}
    ui_color = "#fff3e0"

    def __init__(
        self, *, plan: Any, subject: str | None = None, response_timeout: timedelta | None = None, **kwargs: Any
    ) -> None:
        # Known from the start, so that the answer's parameters are those of the task when it continues. Airflow gives
        # each task its DAG's parameters, too, and leaves them out of the form by what each Param says of its origin: so
        # they stay Params here.
        params = ParamsDict(kwargs.pop("params", None))
        params[DIGEST] = _param("")
        if response_timeout is not None:
            kwargs[_ANSWER_TIMEOUT] = response_timeout
        super().__init__(subject=subject or "", params=params, **kwargs)
        self.plan = plan

    def execute(self, context: Context) -> Any:
        """Ask, with what the plan says now."""
        plan = as_plan("plan", self.plan)
        if plan is None:
            raise BackendParameterError(f"{self.task_id}: plan is missing: pass plan.output")
        # Made from the facts that the digest covers, whatever text came along with them.
        self.subject = self.subject or f"Delete {plan.scope}?"
        self.body = plan_text(plan)
        self.params[DIGEST] = _param(plan.digest)
        return super().execute(context)


def _param(digest: str) -> Param:
    return Param(
        digest,
        type="string",
        title="Digest of the plan",
        description="Leave it as it is: it says which plan is approved.",
    )
