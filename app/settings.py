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

from app.http.hosts import SPACE_ANCESTORS, Hosts
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
    is_space = "SPACE_ID" in environment
    parser = argparse.ArgumentParser(
        prog="python app.py",
        allow_abbrev=False,  # --password would be taken for --password-file
        description="LMeRAN viewer. Research use, not for diagnosis. "
        "Every option is also an environment variable, LMERAN_CHECKPOINT and so on.",
    )

    def option(name: str, help: str, default: Any = None, **more: Any) -> None:
        default = environment.get(_variable(name)) or default
        parser.add_argument(name, default=default, help=help, **more)

    def flag(name: str, help: str) -> None:
        is_set = environment.get(_variable(name), "") not in ("", "0")
        parser.add_argument(name, action="store_true", default=is_set, help=help)

    option("--checkpoint", "folder or hf://OWNER/REPO@REVISION (default: the bundled checkpoint)")
    # A Space is reached through its proxy, so there, and only there, all interfaces by default.
    host = "0.0.0.0" if is_space else Settings.host
    option("--host", "address to listen on (default: %(default)s)", host)
    option("--port", "default: %(default)s", Settings.port, type=int)
    option("--examples", "folder of films to offer instead of the synthetic ones", type=_folder)
    option(
        "--user",
        f"name to sign in with; the password comes from the variable {PASSWORD} or from "
        "--password-file (default: no signing in)",
    )
    option("--password-file", "file whose first line is the password", type=Path)
    flag("--demo", "show the bundled films only and take no files")
    option(
        "--films-per-minute",
        "films one reader may open in a minute, 0 for any number (default: %(default)s)",
        Settings.films_per_minute,
        type=int,
    )
    option(
        "--idle-minutes",
        "minutes an unused film is held (default: %(default)g)",
        Settings.idle_minutes,
        type=float,
    )
    option(
        "--proxy",
        "addresses or networks of reverse proxies, with commas between, whose X-Forwarded-For is "
        "believed (default: none)",
        "",
        type=_proxies,
        dest="proxies",
    )
    option(
        "--allow-host",
        "names under which a proxy or other machines ask for the viewer, with commas between "
        "(default: --host and this machine's own)",
        environment.get("SPACE_HOST", ""),
        type=_listed,
        dest="hosts",
    )
    option(
        "--frame-ancestors",
        "origins whose pages may show the viewer in a frame, with commas between, as "
        "https://pacs.example (default: none; on a Space Hugging Face's)",
        ",".join(SPACE_ANCESTORS) if is_space else "",
        type=_ancestors,
        dest="ancestors",
    )
    option(
        "--root-path",
        "path under which a proxy serves the viewer, as /viewer, stripped by it or not",
        "",
        type=_root_path,
    )
    flag("--mcp", "serve /predict and /explain as MCP tools too; needs gradio[mcp]")
    given = parser.parse_args(arguments)
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
    given.password = _password(given, environment, parser)
    del given.password_file
    return Settings(**vars(given))


def _variable(option: str) -> str:
    """The environment variable of an option."""
    return "LMERAN_" + option.removeprefix("--").replace("-", "_").upper()


def _folder(name: str) -> Path:
    if not Path(name).is_dir():
        raise argparse.ArgumentTypeError(f"{name} is not a folder")
    return Path(name)


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


def _proxies(text: str) -> tuple[str, ...]:
    """Addresses and networks; "*" is none, since every client could then name any address."""
    for name in _listed(text):
        try:
            ipaddress.ip_network(name)
        except ValueError:
            message = f"{name} is not an address (10.0.0.1) or network (10.0.0.0/8)"
            raise argparse.ArgumentTypeError(message) from None
    return _listed(text)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _ancestors(text: str) -> tuple[str, ...]:
    for origin in _listed(text):
        if not re.fullmatch(r"https?://[A-Za-z0-9.*:\[\]-]+", origin):
            message = f"{origin} is not an origin, as https://pacs.example"
            raise argparse.ArgumentTypeError(message)
    return _listed(text)


def _root_path(text: str) -> str:
    """With a slash before and none behind; "" for the root itself."""
    path = "/" + text.strip("/") if text.strip("/") else ""
    if not re.fullmatch(r"(/[A-Za-z0-9._~-]+)*", path):
        raise argparse.ArgumentTypeError(f"{text} is not a path, as /viewer")
    return path
