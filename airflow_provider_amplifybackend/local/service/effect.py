"""The change that a job makes when it ends: a value, so that it can be kept in a file while the job runs."""

from __future__ import annotations

from typing import Any


class Effect:
    """The effect of a job on what there is, by default none. `around` are the `Surroundings` that it works with."""

    def complete(self, around: Any) -> None:
        """Do what the job was for.

        :raises AnsweredError: It cannot be done: the job ends FAILED with the error's message.
        """

    def fail(self, around: Any) -> None:
        """Do what a job that failed leaves behind."""
