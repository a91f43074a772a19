"""The viewer as a Hugging Face Space: what belongs there.

A plain `git push` of the repository is refused there for its weights; the Hub's client handles
large files itself.
"""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("app.py", "LICENSE", "requirements.txt", "app", "lmeran", "assets")
LEFT_OUT = ("__pycache__", ".partial")


def space_files(model: str | None, root: Path = ROOT) -> dict[str, Path | bytes]:
    """Name in the Space to a file or its bytes. model: OWNER/REPO that the weights are published
    as, which the Space's page then names."""
    files: dict[str, Path | bytes] = {}
    for part in PARTS:
        path = root / part
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in inside:
            name = file.relative_to(root).as_posix()
            if file.is_file() and not any(word in name for word in LEFT_OUT):
                files[name] = file
    files["README.md"] = with_model((root / "README.md").read_text(encoding="utf-8"), model)
    return files


def with_model(readme: str, model: str | None) -> bytes:
    """The README with the model in its front matter."""
    if model is None:
        return readme.encode()
    start, matter, text = readme.split("---\n", 2)
    return f"{start}---\n{matter}models:\n  - {model}\n---\n{text}".encode()
