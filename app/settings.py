"""What the viewer is started with: the command line, else `LMERAN_*` variables, else defaults."""

from __future__ import annotations

import argparse
import importlib.util
import ipaddress
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.quotas import FILMS_PER_MINUTE, IDLE_SECONDS

if TYPE_CHECKING:
    from app.http.gateway import Access

PASSWORD = "LMERAN_PASSWORD"
SHORTEST_PASSWORD = 8


@dataclass(frozen=True)
class Settings:
    """checkpoint: folder or hf://..., None for the bundled one; examples: folder of films to offer
    instead of the bundled synthetic ones; user, password: that readers sign in with, None for no
    signing in; demo: only the bundled films; films_per_minute: that one reader may open, 0 for any
    number; idle_minutes: how long an unused film is held; proxies: addresses and networks of
    reverse proxies whose word on where a request came from is believed; hosts: names that the
    viewer is asked for under, besides its own; ancestors: origins whose pages may frame it;
    root_path: of the viewer behind a proxy, "" for none; mcp: serve the API as MCP tools too."""

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
    hosts: tuple[str, ...] = ()
    ancestors: tuple[str, ...] = ()
    root_path: str = ""
    mcp: bool = False

    def access(self) -> Access:
        """What of it every request is judged by."""
        from app.http.basic import BasicCredentials
        from app.http.gateway import Access
        from app.http.hosts import Hosts

        signed_in = self.user is not None and self.password is not None
        return Access(
            Hosts(self.host, self.hosts),
            self.ancestors,
            BasicCredentials(str(self.user), str(self.password)) if signed_in else None,
            self.demo,
            self.mcp,
            self.root_path,
        )


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

    def option(name: str, default: Any, **more: Any) -> None:
        parser.add_argument(name, default=environment.get(_variable(name)) or default, **more)

    def flag(name: str, **more: Any) -> None:
        is_set = environment.get(_variable(name), "") not in ("", "0")
        parser.add_argument(name, action="store_true", default=is_set, **more)

    option(
        "--checkpoint",
        None,
        help="folder or hf://OWNER/REPO@REVISION (default: the bundled checkpoint)",
    )
    option("--host", host, help="address to listen on (default: %(default)s)")
    option("--port", Settings.port, type=int, help="default: %(default)s")
    option(
        "--examples", None, type=Path, help="folder of films to offer instead of the synthetic ones"
    )
    option(
        "--user",
        None,
        help="name to sign in with; the password comes from the variable "
        f"{PASSWORD} or from --password-file (default: no signing in)",
    )
    option("--password-file", None, type=Path, help="file whose first line is the password")
    flag("--demo", help="show the bundled films only and take no files")
    option(
        "--films-per-minute",
        Settings.films_per_minute,
        type=int,
        help="films one reader may open in a minute, 0 for any number (default: %(default)s)",
    )
    option(
        "--idle-minutes",
        Settings.idle_minutes,
        type=float,
        help="minutes an unused film is held (default: %(default)g)",
    )
    option(
        "--proxy",
        "",
        help="addresses or networks of reverse proxies, with commas between, whose "
        "X-Forwarded-For is believed (default: none)",
    )
    option(
        "--allow-host",
        environment.get("SPACE_HOST", ""),
        help="names under which a proxy or other machines ask for the viewer, with commas between "
        "(default: --host and this machine's own)",
    )
    option(
        "--frame-ancestors",
        "",
        help="origins whose pages may show the viewer in a frame, with commas between, as "
        "https://pacs.example (default: none; on a Space Hugging Face's)",
    )
    option(
        "--root-path",
        "",
        help="path under which a proxy serves the viewer, as /viewer, stripped by it or not",
    )
    flag("--mcp", help="serve /predict and /explain as MCP tools too; needs gradio[mcp]")
    given = parser.parse_args(arguments)
    if given.examples is not None and not given.examples.is_dir():
        parser.error(f"--examples {given.examples} is not a folder")
    if not 0 <= given.port < 2**16:
        parser.error("--port is a number from 0 to 65535")
    if given.demo and given.examples is not None:
        parser.error("--demo shows the bundled films only: leave --examples away")
    if given.films_per_minute < 0:
        parser.error("--films-per-minute is a number of films, or 0 for no limit")
    if given.mcp and importlib.util.find_spec("mcp") is None:
        parser.error("--mcp needs the package mcp: pip install 'gradio[mcp]'")
    if given.mcp and given.user is not None:
        parser.error("--mcp and --user do not go together: MCP clients cannot sign in")
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
        _listed(given.allow_host),
        _ancestors(given.frame_ancestors, "SPACE_ID" in environment, parser),
        _root_path(given.root_path, parser),
        given.mcp,
    )


def _variable(option: str) -> str:
    """The environment variable of an option."""
    return "LMERAN_" + option.removeprefix("--").replace("-", "_").upper()


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
    names = _listed(text)
    for name in names:
        try:
            ipaddress.ip_network(name)
        except ValueError:
            parser.error(f"--proxy {name} is not an address (10.0.0.1) or network (10.0.0.0/8)")
    return names


def _listed(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _ancestors(text: str, is_space: bool, parser: argparse.ArgumentParser) -> tuple[str, ...]:
    from app.http.hosts import SPACE_ANCESTORS

    origins = _listed(text)
    for origin in origins:
        if not re.fullmatch(r"https?://[A-Za-z0-9.*:\[\]-]+", origin):
            parser.error(f"--frame-ancestors {origin} is not an origin, as https://pacs.example")
    return origins or (SPACE_ANCESTORS if is_space else ())


def _root_path(text: str, parser: argparse.ArgumentParser) -> str:
    """With a slash before and none behind; "" for the root itself."""
    path = "/" + text.strip("/") if text.strip("/") else ""
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)*", path):
        parser.error(f"--root-path {text} is not a path, as /viewer")
    return path
