"""Copies of tables of records, byte by byte: numpy by itself copies them field by field, twenty times slower."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Records = NDArray[Any]


def copied(records: Records) -> Records:
    """A copy of records that lie side by side."""
    return records.view(np.uint8).copy().view(records.dtype)


def joined(tables: Sequence[Records]) -> Records:
    """Tables of the same records, one after another."""
    return np.concatenate([table.view(np.uint8) for table in tables]).view(tables[0].dtype)


def stacked(tables: Sequence[Records]) -> Records:
    """Tables of as many records each, [tables, records]; without a table an empty one."""
    if not tables:
        return np.zeros((0, 0))
    return joined(tables).reshape(len(tables), -1)
