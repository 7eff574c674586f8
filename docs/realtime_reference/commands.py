"""The reference of the `flask realtime` commands, from click's own help."""

from collections.abc import Iterator

import click

from flask_realtime.cli import commands

_WIDTH = 100


def command_help() -> str:
    """Return a section for each command: its help, as `--help` prints it."""
    context = click.Context(commands, info_name="flask realtime", terminal_width=_WIDTH)
    return "\n\n".join(_section(nested) for nested in contexts(commands, context))


def contexts(group: click.Group, parent: click.Context) -> Iterator[click.Context]:
    """Yield a context for each command of a group, those of its groups too, in alphabetical order.

    Args:
        group: The commands.
        parent: The context that the group is called in.
    """
    for name, command in sorted(group.commands.items()):
        context = click.Context(command, info_name=name, parent=parent)
        if isinstance(command, click.Group):
            yield from contexts(command, context)
        else:
            yield context


def _section(context: click.Context) -> str:
    name = context.command_path.removeprefix("flask realtime ")
    return f"## `{name}`\n\n```text\n{context.command.get_help(context)}\n```"
