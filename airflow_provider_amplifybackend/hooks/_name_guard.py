"""The last check before the socket: a request goes where its operation leads, whatever its names are.

It lies with the session, so that every client is behind it, of boto3 and of aiobotocore, whoever makes and uses it: our
own methods, ``hook.conn``, paginators, presigned addresses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_amplifybackend.core import names
from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.parameters import service_model

# By operation, with whether the address has it: the model of a client is the same for all of them.
_name_members: dict[str, tuple[tuple[str, bool], ...]] = {}


def guard_names(session: Any) -> None:
    """Let every client that a session makes refuse what is no name.

    :param session: A session of boto3, botocore or aiobotocore.
    """
    events = getattr(session, "events", None) or session.get_component("event_emitter")
    # Last, and for the shortest name of the event, so that no handler of a user changes anything afterwards.
    events.register_last("before-parameter-build", _refuse_parameters)
    events.register_last("before-sign", _refuse_address)
    events.register_last("before-send", _refuse_address)


def _refuse_parameters(params: Any, model: Any, **_: Any) -> None:
    if model.service_model.service_name != service_model.SERVICE or not isinstance(params, Mapping):
        return
    members = _name_members.get(model.name)
    if members is None:
        members = _name_members[model.name] = _read_name_members(model)
    found = []
    for member, in_address in members:
        value = params.get(member)
        if value is None:
            # Not for botocore to find out, because its own checks can be switched off.
            value = "" if in_address else "absent"
        if problem := names.problem(member, value):
            found.append(problem)
    if found:
        raise BackendParameterError(f"{model.name} was not sent: " + "; ".join(found))


def _read_name_members(model: Any) -> tuple[tuple[str, bool], ...]:
    members = model.input_shape.members if model.input_shape else {}
    locations = {member: shape.serialization.get("location") for member, shape in members.items()}
    return tuple(
        (member, location == "uri") for member, location in locations.items() if names.is_name_member(member, location)
    )


def _refuse_address(request: Any, event_name: str, **_: Any) -> None:
    """Check what the names have become, too: a handler may have changed the request since."""
    service, operation = event_name.split(".", 2)[1:]
    if service == service_model.SERVICE and (problem := names.address_problem(request.url)):
        raise BackendParameterError(
            f"{operation} was not sent: {problem}. Check the endpoint_url of the connection, and anything "
            "that modifies requests"
        )
