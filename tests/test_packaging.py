"""What pip installs is whole: the bundled checkpoint, the page, the templates of training."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lmeran.findings import FINDINGS
from lmeran.hub import BUNDLED
from tests.conftest import ROOT

PARTS = ("lmeran", "train", "app", "assets", "pyproject.toml", "setup.py", "requirements.txt")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder that the packages were installed to, from a copy: a build leaves files behind."""
    copy, target = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("site")
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "screenshot.png")
    for part in (*PARTS, "README.md", "LICENSE"):
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, copy / part, ignore=ignored)
        else:
            shutil.copy(source, copy / part)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--no-compile", "--target", str(target), str(copy)]
    subprocess.run(command, check=True, capture_output=True)
    return target


def run(site: Path, code: str) -> str:
    """Standard output of a program that knows only what was installed."""
    environment = {**os.environ, "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-P", "-c", code]
    done = subprocess.run(command, cwd=site, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not BUNDLED.is_dir(), reason="no bundled checkpoint in this checkout")
def test_the_four_lines_of_the_readme_run_where_it_was_installed(site: Path) -> None:
    (code,) = re.findall(r"```python\n(from lmeran .*?)```", (ROOT / "README.md").read_text(), re.S)
    film = next((site / "lmeran" / "_assets" / "examples").glob("*.dcm"))
    printed = run(site, code.replace("film.dcm", str(film)))
    assert all(finding in printed for finding in FINDINGS)


def test_templates_and_pages_are_installed(site: Path) -> None:
    for source in (ROOT / "app/static", ROOT / "train"):
        for path in source.rglob("*"):
            if path.suffix in (".js", ".css", ".html", ".yaml", ".jinja"):
                assert (site / path.relative_to(ROOT)).is_file(), path
    assert {"lmeran", "lmeran-viewer"} <= {p.name for p in (site / "bin").iterdir()}
