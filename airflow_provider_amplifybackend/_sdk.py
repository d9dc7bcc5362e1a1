"""Airflow's own names, wherever this Airflow and its providers have them. `_compat` hands them on.

``airflow.providers.common.compat.sdk`` is their public home. A common-compat provider of the days of Airflow 2.11.0 or
3.0 has no such module yet, or not all of the names in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, BaseOperatorLink, BaseSensorOperator, PokeReturnValue
    from airflow.sdk.configuration import conf
    from airflow.sdk.definitions.context import Context
    from airflow.sdk.exceptions import (
        AirflowException,
        AirflowFailException,
        AirflowNotFoundException,
        AirflowSensorTimeout,
        AirflowSkipException,
    )
    from airflow.sdk.execution_time.xcom import XCom
    from airflow.sdk.log import mask_secret, redact  # type: ignore[attr-defined]
else:
    try:
        from airflow.providers.common.compat.sdk import (
            AirflowException,
            AirflowFailException,
            AirflowNotFoundException,
            AirflowSensorTimeout,
            AirflowSkipException,
            BaseOperator,
            BaseOperatorLink,
            BaseSensorOperator,
            Context,
            PokeReturnValue,
            XCom,
            conf,
        )
    except ImportError:
        from airflow.configuration import conf
        from airflow.exceptions import (
            AirflowException,
            AirflowFailException,
            AirflowNotFoundException,
            AirflowSensorTimeout,
            AirflowSkipException,
        )

        try:
            from airflow.sdk import BaseOperator, BaseOperatorLink, BaseSensorOperator, Context, PokeReturnValue
            from airflow.sdk.execution_time.xcom import XCom
        except ImportError:  # Airflow 2
            from airflow.models import BaseOperator, BaseOperatorLink, XCom
            from airflow.sensors.base import BaseSensorOperator, PokeReturnValue
            from airflow.utils.context import Context

    try:
        from airflow.sdk.log import mask_secret, redact
    except ImportError:
        try:
            from airflow.sdk.execution_time.secrets_masker import mask_secret, redact
        except ImportError:  # Airflow 2
            from airflow.utils.log.secrets_masker import mask_secret, redact

__all__ = [
    "AirflowException",
    "AirflowFailException",
    "AirflowNotFoundException",
    "AirflowSensorTimeout",
    "AirflowSkipException",
    "BaseOperator",
    "BaseOperatorLink",
    "BaseSensorOperator",
    "Context",
    "PokeReturnValue",
    "XCom",
    "conf",
    "mask_secret",
    "redact",
]
