"""The command line `sidra`. Exit status: 0 done, 1 it failed and said why, 2 wrong usage."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from app.commands.terminal import failing_plainly

# Read when torch is loaded. Threads that spin while they wait for each other hold cores that somebody else works on:
# beside other load, two threads took several times as long for the same work as threads that sleep.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

_HELP = """Recommendations by conversation, from your own catalogue.

Start with `sidra run`. Settings are variables with the prefix SIDRA_; `sidra doctor` lists those in force.
"""


class Group(TyperGroup):
    """A group whose commands fail with one sentence instead of a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command."""
        with failing_plainly():
            return super().invoke(ctx)

    def list_commands(self, ctx: Any) -> list[str]:
        """In the order in which one meets them."""
        return list(self.commands)


cli = typer.Typer(
    cls=Group,
    help=_HELP,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

for _name in (
    "run",
    "data",
    "recommend",
    "profile",
    "chat",
    "calm",
    "mcp",
    "serve",
    "serve_generator",
    "releases",
    "items",
    "tune",
    "train_profile",
    "evaluate",
    "train_emotion",
    "doctor",
):
    import_module(f"app.commands.{_name}").register(cli)


def main() -> None:
    """Entry point of the `sidra` command."""
    cli(prog_name="sidra")


if __name__ == "__main__":
    main()
