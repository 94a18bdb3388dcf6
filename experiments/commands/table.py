"""Tables of text, for pipes as well as for eyes."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.commands import output


def print_table(head: Sequence[str], lines: Sequence[Sequence[str]], name: str = "") -> None:
    """Columns of text, aligned, as wide as they are: made for pipes as well as for eyes.

    `name`: under which the lines are in the document of --json.
    """
    wide = [max(len(line[at]) for line in [head, *lines]) for at in range(len(head))]
    for line in [head, *lines]:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(line, wide, strict=True)).rstrip())
    if name:
        output.put_table(name, head, lines)
