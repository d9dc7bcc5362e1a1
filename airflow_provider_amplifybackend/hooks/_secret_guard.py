"""The refusal of what cannot be a secret, before every client: the ``***`` of a Get operator would replace the one set.

It lies with the session, as the check of names does, so that ``call``, ``start_operation``, ``hook.conn`` and clients
of aiobotocore are all behind it. Operators refuse the same earlier, by their parameters' names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.parameters import service_model
from airflow_provider_amplifybackend.parameters.secret_members import problems_in_request


def guard_secrets(session: Any) -> None:
    """Let every client that a session makes refuse a secret member that holds no secret.

    :param session: A session of boto3, botocore or aiobotocore.
    """
    events = getattr(session, "events", None) or session.get_component("event_emitter")
    # After the handlers of users: what they have made of the request counts.
    events.register_last("before-parameter-build", _refuse_placeholders)


def _refuse_placeholders(params: Any, model: Any, **_: Any) -> None:
    if model.service_model.service_name != service_model.SERVICE or not isinstance(params, Mapping):
        return
    if found := [*problems_in_request(params)]:
        raise BackendParameterError(f"{model.name} was not sent: " + "; ".join(found))
