"""A text in the editor of whoever sits at the terminal."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

import typer


def edited(text: str) -> str:
    """What they make of a Markdown text, in $VISUAL or $EDITOR or vi.

    Raises: typer.BadParameter, where the editor fails; typer.Exit, where nothing was changed.
    """
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "item.md"
        file.write_text(text, encoding="utf-8")
        try:
            # The user's own command, as every program on a terminal runs it.
            subprocess.run([*shlex.split(editor), str(file)], check=True)  # noqa: S603
            changed = file.read_text(encoding="utf-8")
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            raise typer.BadParameter(f"the editor ({editor}) did not work: {error}") from error
    if changed == text:
        typer.echo("Nothing was changed.", err=True)
        raise typer.Exit
    return changed
