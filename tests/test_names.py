"""Names of owners: like a list, at a tenth of its memory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from abm.names import Names
from abm.random import key_of


@given(
    st.lists(
        st.lists(
            st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=6), min_size=1
        ),
        max_size=5,
    )
)
def test_names_are_a_list_without_doubles(batches: list[list[str]]) -> None:
    names, plain = Names(), list[str]()
    for batch in batches:
        numbers = names.numbers(np.array(batch))
        for name in batch:
            if name not in plain:
                plain.append(name)
        assert numbers.tolist() == [plain.index(name) for name in batch]
    assert list(names) == plain and len(names) == len(plain)
    assert names.key.tolist() == [key_of(name) for name in plain]
    assert all(name in names and names.index(name) == i for i, name in enumerate(plain))
    assert names[-3:] == plain[-3:]


def test_a_name_that_is_not_there() -> None:
    names = Names()
    assert "ann" not in names
    names.numbers(np.array(["bob"]))
    assert "ann" not in names and 3 not in names
    with pytest.raises(ValueError, match="'ann' is not in the list"):
        names.index("ann")
    with pytest.raises(IndexError):
        names[1]
