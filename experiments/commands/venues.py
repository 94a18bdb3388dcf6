"""Rule books: `cascade venues`, `venues show`."""

from __future__ import annotations

from experiments.commands import output
from experiments.commands.app import DONE, BadInput, venues_app


@venues_app.default
def venues_list() -> int:
    """The venues whose rule books come with CascadeLab: `preset = "NAME"` in a scenario's venue."""
    from rich.console import Console

    from experiments import rulebook

    table = rulebook.overview()
    Console(width=max(Console().width, 140)).print(table)
    output.put_tables("venues", table)
    return DONE


@venues_app.command(name="show")
def venues_show(name: str, /) -> int:
    """A venue's rule book in words and numbers, every line with its source and the day since which it holds.

    Parameters
    ----------
    name
        A name (see `cascade venues`) or the path of a rule book's TOML file.
    """
    from rich.console import Console

    from experiments import rulebook

    try:
        book = rulebook.read(name)
    except rulebook.RuleBookError as error:
        raise BadInput([f"NAME: {fault}" for fault in error.faults]) from error
    told = rulebook.described(book)
    Console(width=max(Console().width, 140)).print(told)
    output.put(venue=book.title, date=book.date)
    output.put_tables("rules", told)
    return DONE
