"""Names of owners by their numbers, and numbers by their names, for millions of them.

A name costs its letters and twelve bytes; a list of Python's texts with a dictionary would cost ten times as much.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from abm.random import key_of, keys_of

Ints = NDArray[np.int64]
PART = 1 << 16  # names at a time: numpy keeps four bytes for each of their letters


class Names(Sequence[str]):
    """Like a list of different names, in the order in which they came.

    Attributes:
        key: int64[n], the identity of each name for random draws (`abm.random.key_of`).
    """

    def __init__(self) -> None:
        self._text: list[NDArray[np.bytes_]] = []  # a batch of names as bytes
        self._first: list[int] = []  # number of the first of each batch
        self.key: Ints = np.zeros(0, np.int64)
        self._order = np.zeros(0, np.int32)  # numbers in the order of their keys

    def __len__(self) -> int:
        return len(self.key)

    def __getitem__(self, number: Any) -> Any:
        if isinstance(number, slice):
            return [self[i] for i in range(*number.indices(len(self)))]
        number = range(len(self))[number]
        batch = int(np.searchsorted(self._first, number, side="right")) - 1
        return self._text[batch][number - self._first[batch]].decode()

    def __iter__(self) -> Iterator[str]:
        for batch in self._text:
            yield from np.char.decode(batch, "utf-8").tolist()

    def index(self, name: str, *_: Any) -> int:
        """Number of a name. Raises ValueError if there is none."""
        found = int(self._find(np.array([key_of(name)], np.int64))[0])
        if found < 0:
            raise ValueError(f"{name!r} is not in the list")
        return found

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self._find(np.array([key_of(name)], np.int64))[0] >= 0)

    def _find(self, keys: Ints) -> NDArray[np.int32]:
        if len(self.key) == 0:
            return np.full(len(keys), -1, np.int32)
        place = np.minimum(np.searchsorted(self.key, keys, sorter=self._order), len(self.key) - 1)
        number = self._order[place]
        return np.where(self.key[number] == keys, number, -1).astype(np.int32)

    def numbers(self, names: NDArray[Any]) -> NDArray[np.int32]:
        """int32[n]: numbers of names; those that are not known yet are taken up in their order."""
        parts = [self._take_up(names[i : i + PART]) for i in range(0, len(names), PART)]
        return np.concatenate(parts) if parts else np.zeros(0, np.int32)

    def _take_up(self, names: NDArray[Any]) -> NDArray[np.int32]:
        keys = keys_of(names.astype(np.str_).tolist())
        found = self._find(keys)
        if (found < 0).any():
            _, first = np.unique(keys, return_index=True)
            new = np.sort(first[found[first] < 0])
            self._first.append(len(self))
            self._text.append(np.char.encode(names[new].astype(np.str_), "utf-8"))
            order = np.argsort(keys[new], kind="stable")
            place = np.searchsorted(self.key, keys[new][order], sorter=self._order)
            self._order = np.insert(self._order, place, len(self) + order.astype(np.int32))
            self.key = np.concatenate([self.key, keys[new]])
            found = self._find(keys)
        return found
