"""The things that the effect of a job works with."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from airflow_provider_amplifybackend.local.service.provisioner import Provisioner
from airflow_provider_amplifybackend.local.service.settings import Settings
from airflow_provider_amplifybackend.local.service.store import Store


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The state and the moment at which an effect comes."""

    store: Store
    provisioner: Provisioner
    settings: Settings
    moment: float
    leaves: Collection[str] = ()
    """What a deletion leaves behind, although it completes."""
