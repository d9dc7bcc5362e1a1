"""What a job will change once it ends: a value, so that it can be kept in a file while the job runs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow_provider_amplifybackend.local.service.provisioner import Provisioner
    from airflow_provider_amplifybackend.local.service.settings import Settings
    from airflow_provider_amplifybackend.local.service.store import Store


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an effect works with at the moment that it comes."""

    store: Store
    provisioner: Provisioner
    settings: Settings
    moment: float
    leaves: Collection[str] = ()
    """What a deletion leaves behind, although it completes."""


class Effect:
    """The effect of a job on what there is, by default none."""

    def complete(self, around: Surroundings) -> None:
        """Do what the job was for.

        :raises AnsweredError: It cannot be done: the job ends FAILED with the error's message.
        """

    def fail(self, around: Surroundings) -> None:
        """Do what a job that failed leaves behind."""
