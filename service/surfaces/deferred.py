"""A command that is known by its name and a line of help, and imported when it is used.

Typer builds every command of a program before it runs one, so ``why --help`` would import
pydantic, numpy and whatever else the modules of twenty commands need. Here the group holds names
and lines of help; using a command, or asking for its own help, imports it. As Click's
documentation has it for lazy groups (https://click.palletsprojects.com, "Lazily Loading
Subcommands"), but by stand-ins, so that listing and spelling suggestions work as ever.

Help is plain text: Rich's boxes would cost twice as much time as all the rest of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group


class Deferred(TyperCommand):
    """Stands for the function or the ``typer.Typer`` at ``module:attribute`` (``where``)."""

    def __init__(self, name: str, where: str, help: str) -> None:
        # A short help is shown whole, where a help would be cut to a line.
        super().__init__(name, help=help, short_help=help, rich_markup_mode=None)
        self._where = where

    def command(self) -> Any:
        """The real one, as Typer builds it (of a type that is private to Typer)."""
        module, _, attribute = self._where.partition(":")
        found = getattr(import_module(module), attribute)
        around = typer.Typer(rich_markup_mode=None)
        if isinstance(found, typer.Typer):
            around.add_typer(found, name=self.name)
        else:
            around.command(self.name)(found)
        command = get_group(around).commands[str(self.name)]
        for part in getattr(command, "commands", {}).values():
            part.short_help = part.short_help or part.help
        return command

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        """That of the real command, which the group then runs."""
        return self.command().make_context(*args, **kwargs)


def group_of(*commands: Deferred) -> type[TyperGroup]:
    """What ``typer.Typer(cls=…)`` takes: a group of these commands."""

    class Group(TyperGroup):
        def __init__(self, **attributes: Any) -> None:
            super().__init__(**{**attributes, "commands": commands})

    return Group
