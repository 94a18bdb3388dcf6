"""What finished runs of a scenario are told in: score card and comparison with the null runs, as files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from experiments import nulls, reference, scorecard
from experiments.config import Scenario
from experiments.run import Run
from experiments.store import write_text


def write(
    groups: Mapping[str, Sequence[Run]],
    scenario: Scenario,
    name: str,
    folder: Path,
    absent: Mapping[str, str] | None = None,
) -> list[str]:
    """Write the card of a scenario that has targets, and the comparison where there are null runs.

    groups: runs by variant, "base" among them; absent: variants that the scenario does not have, with the
    reason, None where no null runs were asked for. Returns one line for people a file.
    """
    told = []
    targets = reference.targets(scenario.targets.file) if scenario.targets is not None else []
    if targets:
        card = scorecard.card(groups, targets, name)
        _write(folder / "scorecard", card, scorecard.markdown(card))
        rows = card["rows"]
        passed = sum(bool(row["pass"]) for row in rows)
        missing = sum(row["value"] is None for row in rows)
        told.append(
            f"{folder / 'scorecard.md'}: {passed} of {len(rows)} rows in range, "
            f"{len(rows) - passed - missing} missed, {missing} not measured"
        )
    if absent is None:
        _drop_stale(folder, groups[nulls.BASE])
    else:
        table = nulls.compare(groups, targets, name, absent)
        _write(folder / "nulls", table, nulls.markdown(table))
        told.append(f"{folder / 'nulls.md'}: {len(groups) - 1} null runs")
    return told


def _drop_stale(folder: Path, base: Sequence[Run]) -> None:
    """A comparison with the null runs of another scenario does not stay beside this one's runs."""
    path = folder / "nulls.json"
    if path.is_file() and json.loads(path.read_text()).get("content") != base[0].provenance.get("content"):
        path.unlink()
        path.with_suffix(".md").unlink(missing_ok=True)


def _write(path: Path, table: Mapping[str, object], text: str) -> None:
    write_text(path.with_suffix(".json"), json.dumps(table, indent=1, allow_nan=False))
    write_text(path.with_suffix(".md"), text.rstrip("\n"))
