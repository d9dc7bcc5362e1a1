"""The name that clients have for AWS: CloudTrail shows it beside each request."""

from __future__ import annotations

import inspect

from botocore.config import Config

from airflow_provider_amplifybackend import __version__
from airflow_provider_amplifybackend._compat import airflow_version


def with_user_agent(config: Config) -> Config:
    """Return a configuration whose clients name Airflow, this package and the operator, before what it names itself.

    The amazon provider's hook names operators too, but reads the source of every caller for it: more than all of the
    rest of a client costs.
    """
    names = [
        f"Airflow/{airflow_version}",
        f"airflow-provider-amplifybackend/{__version__}",
        f"Caller/{_caller()}",
        getattr(config, "user_agent_extra", None) or "",  # botocore sets its options at run time
    ]
    return config.merge(Config(user_agent_extra=" ".join(filter(None, names))))


def _caller() -> str:
    """Return the class of the operator or sensor that is being executed."""
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_code.co_name == "execute" and "self" in frame.f_locals:
            return type(frame.f_locals["self"]).__name__
        frame = frame.f_back
    return "Unknown"
