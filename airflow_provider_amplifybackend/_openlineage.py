"""A job's lineage in OpenLineage's classes. Imported by the methods that its provider calls, so only where it is."""

from __future__ import annotations

from typing import Any

import attr
from airflow.providers.common.compat.openlineage.facet import (
    Dataset,
    ExternalQueryRunFacet,
    LifecycleStateChange,
    LifecycleStateChangeDatasetFacet,
    RunFacet,
)
from airflow.providers.openlineage.extractors import OperatorLineage

from airflow_provider_amplifybackend.assets import SCHEME, lineage_names
from airflow_provider_amplifybackend.core.job import Job
from airflow_provider_amplifybackend.core.lineage import Environment, Lineage

# The names of the run's facets: OpenLineage's own for the id of a job elsewhere, and what else there is to say of it.
EXTERNAL, OWN = "externalQuery", "amplifyBackend_job"


@attr.define
class AmplifyBackendJobRunFacet(RunFacet):
    """The job of AmplifyBackend that a task has had. It has no text of the service, which can repeat a secret."""

    jobId: str  # noqa: N815  # OpenLineage's spelling
    operation: str
    status: str | None
    outcome: str
    environment: str | None


def operator_lineage(lineage: Lineage, job: Job | None, outcome: str | None) -> Any:
    """Return a lineage as the provider takes it.

    :param outcome: How the task has come to its job.
    """
    change = LifecycleStateChange(lineage.state_change)
    facets = {"lifecycleStateChange": LifecycleStateChangeDatasetFacet(lifecycleStateChange=change)}
    return OperatorLineage(
        inputs=[_dataset(environment) for environment in lineage.inputs],
        outputs=[_dataset(environment, facets) for environment in lineage.outputs],
        run_facets=_run_facets(job, outcome) if job and job.job_id else {},
    )


def _dataset(environment: Environment, facets: dict[str, Any] | None = None) -> Any:
    namespace, name = lineage_names(environment.app_id, environment.name or None)
    return Dataset(namespace=namespace, name=name, facets=facets or {})


def _run_facets(job: Job, outcome: str | None) -> dict[str, Any]:
    own = AmplifyBackendJobRunFacet(
        jobId=job.job_id,
        operation=job.operation or "",
        status=job.status,
        outcome=outcome or "",
        environment=job.backend_environment_name or None,
    )
    return {EXTERNAL: ExternalQueryRunFacet(externalQueryId=job.job_id, source=f"{SCHEME}://{job.app_id}"), OWN: own}
