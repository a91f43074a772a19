"""What the viewer is started with: the command line, else `LMERAN_*` variables, else defaults."""

from __future__ import annotations

import argparse
import ipaddress
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.quotas import FILMS_PER_MINUTE, IDLE_SECONDS

PASSWORD = "LMERAN_PASSWORD"
SHORTEST_PASSWORD = 8


@dataclass(frozen=True)
class Settings:
    """checkpoint: folder or hf://..., None for the bundled one; examples: folder of films to offer
    instead of the bundled synthetic ones; user, password: that readers sign in with, None for no
    signing in; demo: only the bundled films; films_per_minute: that one reader may open, 0 for any
    number; idle_minutes: how long an unused film is held; proxies: addresses and networks of
    reverse proxies whose word on where a request came from is believed."""

    checkpoint: str | None = None
    host: str = "127.0.0.1"
    port: int = 7860
    examples: Path | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    demo: bool = False
    films_per_minute: int = FILMS_PER_MINUTE
    idle_minutes: float = IDLE_SECONDS / 60
    proxies: tuple[str, ...] = ()


def read_settings(
    arguments: Sequence[str] | None = None, environment: Mapping[str, str] = os.environ
) -> Settings:
    """Command line over environment over defaults. Exits with usage on a bad value."""
    # A Space is reached through its proxy, so there, and only there, all interfaces by default.
    host = "0.0.0.0" if "SPACE_ID" in environment else Settings.host
    parser = argparse.ArgumentParser(
        prog="python app.py",
        allow_abbrev=False,  # --password would be taken for --password-file
        description="LMeRAN viewer. Research use, not for diagnosis. "
        "Every option is also an environment variable, LMERAN_CHECKPOINT and so on.",
    )
    parser.add_argument(
        "--checkpoint",
        default=environment.get("LMERAN_CHECKPOINT") or None,
        help="folder or hf://OWNER/REPO@REVISION (default: the bundled checkpoint)",
    )
    parser.add_argument(
        "--host",
        default=environment.get("LMERAN_HOST") or host,
        help="address to listen on (default: %(default)s)",
    )
    parser.add_argument(
        "--port",
        default=environment.get("LMERAN_PORT") or Settings.port,
        type=int,
        help="default: %(default)s",
    )
    parser.add_argument(
        "--examples",
        default=environment.get("LMERAN_EXAMPLES") or None,
        type=Path,
        help="folder of films to offer instead of the synthetic ones",
    )
    parser.add_argument(
        "--user",
        default=environment.get("LMERAN_USER") or None,
        help="name to sign in with; the password comes from the variable "
        f"{PASSWORD} or from --password-file (default: no signing in)",
    )
    parser.add_argument(
        "--password-file",
        default=environment.get("LMERAN_PASSWORD_FILE") or None,
        type=Path,
        help="file whose first line is the password",
    )
    parser.add_argument(
        "--demo",
        action="store_true",
        default=environment.get("LMERAN_DEMO", "") not in ("", "0"),
        help="show the bundled films only and take no files",
    )
    parser.add_argument(
        "--films-per-minute",
        default=environment.get("LMERAN_FILMS_PER_MINUTE") or Settings.films_per_minute,
        type=int,
        help="films one reader may open in a minute, 0 for any number (default: %(default)s)",
    )
    parser.add_argument(
        "--idle-minutes",
        default=environment.get("LMERAN_IDLE_MINUTES") or Settings.idle_minutes,
        type=float,
        help="minutes an unused film is held (default: %(default)g)",
    )
    parser.add_argument(
        "--proxy",
        default=environment.get("LMERAN_PROXY") or "",
        help="addresses or networks of reverse proxies, with commas between, whose "
        "X-Forwarded-For is believed (default: none)",
    )
    given = parser.parse_args(arguments)
    if given.examples is not None and not given.examples.is_dir():
        parser.error(f"--examples {given.examples} is not a folder")
    if not 0 <= given.port < 2**16:
        parser.error("--port is a number from 0 to 65535")
    if given.demo and given.examples is not None:
        parser.error("--demo shows the bundled films only: leave --examples away")
    if given.films_per_minute < 0:
        parser.error("--films-per-minute is a number of films, or 0 for no limit")
    if not 0 < given.idle_minutes <= 24 * 60:
        parser.error("--idle-minutes is more than 0 and at most a day (1440)")
    return Settings(
        given.checkpoint,
        given.host,
        given.port,
        given.examples,
        given.user,
        _password(given, environment, parser),
        given.demo,
        given.films_per_minute,
        given.idle_minutes,
        _proxies(given.proxy, parser),
    )


def _password(
    given: argparse.Namespace, environment: Mapping[str, str], parser: argparse.ArgumentParser
) -> str | None:
    """The password to sign in with. Exits with usage where name and password are not both there."""
    password = environment.get(PASSWORD) or None
    if given.password_file is not None:
        try:
            lines = given.password_file.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError):
            parser.error(f"--password-file {given.password_file} cannot be read as text")
        password = lines[0] if lines else ""
    if given.user is None and password is not None:
        parser.error("a password is given but no name: add --user NAME")
    if given.user is None:
        return None
    if not password:
        parser.error(f"--user needs a password: set {PASSWORD} or give --password-file FILE")
    if len(password) < SHORTEST_PASSWORD:
        parser.error(f"the password is too short: at least {SHORTEST_PASSWORD} characters")
    return password


def _proxies(text: str, parser: argparse.ArgumentParser) -> tuple[str, ...]:
    """Addresses and networks; "*" is none, since every client could then name any address."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        try:
            ipaddress.ip_network(name)
        except ValueError:
            parser.error(f"--proxy {name} is not an address (10.0.0.1) or network (10.0.0.0/8)")
    return names
