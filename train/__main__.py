"""`python -m train COMMAND`: training, evaluation, synthetic films and model cards."""

from __future__ import annotations

import sys

from lmeran.errors import UserError


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0, or 1 with one sentence on standard error."""
    try:
        from train.commands import command_parser, commands
    except ModuleNotFoundError as error:
        if str(error.name).split(".")[0] in ("lmeran", "train"):
            raise
        print(f"Training needs {error.name}: pip install -e '.[train]'.", file=sys.stderr)
        return 1
    known = commands()
    parser = command_parser(known)
    given = parser.parse_args(arguments)
    try:
        given = parser.instantiate(given)
        known[given.command][1](given[given.command])
    except UserError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error.filename or 'A file'} cannot be used ({error.strerror}).", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
