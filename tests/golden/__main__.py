"""`python -m tests.golden`: renew the golden digests and say what has changed."""

from __future__ import annotations

from tests.golden import renew

print("\n".join(renew()) or "nothing has changed")
