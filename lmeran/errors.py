"""The one base of all errors that a user can do something about."""

from __future__ import annotations


class UserError(ValueError):
    """What went wrong and what to do about it, in one sentence that is shown as it is."""
