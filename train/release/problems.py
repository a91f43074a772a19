"""What is wrong with a release: kinds of fault with all they concern, reported together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_NAMED = 5


@dataclass(frozen=True)
class Problem:
    """One kind of fault.

    what: what is wrong, without a number ("in both official lists").
    names: everything it concerns (image names, files, patient ids); empty where it concerns the
        release as a whole.
    tolerable: a part of the release may have it, where the user says that it is a part.
    """

    what: str
    names: tuple[str, ...] = ()
    tolerable: bool = False

    def __str__(self) -> str:
        if not self.names:
            return self.what
        more = f" and {len(self.names) - _NAMED:,} more" if len(self.names) > _NAMED else ""
        return f"{self.what}: {len(self.names):,} ({', '.join(self.names[:_NAMED])}{more})"


def concerning(what: str, names: Iterable[str], tolerable: bool = False) -> list[Problem]:
    """One problem if there is any name, else none; the names in order."""
    found = tuple(sorted(names))
    return [Problem(what, found, tolerable)] if found else []


def as_lines(problems: Iterable[Problem]) -> str:
    """One line a problem, indented."""
    return "".join(f"\n  {problem}" for problem in problems)
