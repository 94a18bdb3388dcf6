"""The description of the model is that of the code: its phases, participants and parameters."""

from __future__ import annotations

import agents
from abm.parameters import ASSUMPTION
from experiments import odd

PAGE = odd.PAGE.read_text(encoding="utf-8")


def test_the_page_is_what_the_code_prints() -> None:
    assert odd.rendered(PAGE) == PAGE, "run python -m experiments.odd"


def test_every_behavioural_parameter_has_a_line_with_unit_range_and_source() -> None:
    told = [(species, row.path) for species, row, _ in odd.behaviour()]
    assert len(told) == len(set(told)) > 200
    for name, species in agents.SPECIES.items():
        for parameter in species.Parameters.model_fields:
            homes = {name, odd.COMMON, *(other for other in agents.SPECIES if other.startswith("leveraged"))}
            assert any((home, parameter) in told for home in homes), f"{name}.{parameter}"
    numbers = [row for _, row, _ in odd.behaviour() if row.value.replace(".", "").replace("-", "").isdigit()]
    assert all(row.unit and row.range and row.source for row in numbers), (
        "a number without unit, range or source"
    )
    assert any(row.source == ASSUMPTION for row in numbers) and any("(20" in row.source for row in numbers)


def test_what_october_sets_is_beside_the_default() -> None:
    rate = next(set_ for species, row, set_ in odd.behaviour() if (species, row.path) == ("noise", "rate"))
    assert rate == "1100.0 (noise)"
