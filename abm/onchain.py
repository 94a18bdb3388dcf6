"""Rules of venues on chains as plain formulas, for presets and comparison: dYdX v4, Drift, Vega.

Numbers are in whole units (quote for money, base for sizes). Facts from dydxprotocol/v4-chain (`liquidations.go`,
`deleveraging.go`), drift-labs/protocol-v2 (`math/liquidation.rs`), vegaprotocol/specs (0012-POSR, non-protocol
0012-NP-LIPE).
"""

from __future__ import annotations

from dataclasses import dataclass

# ---------------------------------------------------------------- dYdX v4 (its prices are in `bankruptcy_price`)


def settle_deleveraging(failed_quote: float, offset_quote: float, bankruptcy: float) -> tuple[float, float]:
    """(failed, offsetting) account's quote after the failed one closed for `bankruptcy` (signed like its position)."""
    return failed_quote + bankruptcy, offset_quote - bankruptcy


# ---------------------------------------------------------------- Drift


def size_to_restore(
    shortage: float, price: float, margin_ratio: float, liquidator_fee: float = 0.0, fund_fee: float = 0.0
) -> float:
    """Base that must be transferred to end a shortage of margin: s / (P ((ratio - liquidator fee) - fund fee)); inf if
    the fees eat up what is freed."""
    freed = price * (margin_ratio - liquidator_fee - fund_fee)
    return shortage / freed if freed > 0 else float("inf")


def liquidated(
    quote: float, base: float, oracle: float, fee: float, size: float
) -> tuple[float, float, float]:
    """(user's quote, user's base, transfer price) after a liquidator took `size` of a position: a long is bought from
    him at oracle x (1 - fee), a short at oracle x (1 + fee)."""
    side = 1.0 if base > 0 else -1.0
    price = oracle * (1.0 - side * fee)
    size = min(size, abs(base))
    return quote + side * size * price, base - side * size, price


# ---------------------------------------------------------------- Vega


def disposal(position: float, fraction: float, full: float, share: float, volume: float) -> float:
    """Size of the network's next order: `fraction` of what is left, all of it from `full` down, never more than
    `share` of the volume on the book. Signed: below zero sells a long."""
    held = abs(position)
    wanted = held if held <= full else fraction * held
    size = min(wanted, share * volume)
    return -size if position > 0 else size


@dataclass(frozen=True)
class NetworkPosition:
    """The network as a party: what it took over, at which mean price, what it has realised."""

    size: float = 0.0
    price: float = 0.0
    realised: float = 0.0

    def take(self, size: float, price: float) -> NetworkPosition:
        """After it has taken (or closed) a signed size at a price."""
        closed = min(abs(size), abs(self.size)) if size * self.size < 0 else 0.0
        side = 1.0 if self.size > 0 else -1.0
        realised = self.realised + closed * side * (price - self.price)
        left = self.size + size
        if left == 0.0:
            return NetworkPosition(0.0, 0.0, realised)
        if size * self.size < 0:
            return NetworkPosition(left, self.price if left * self.size > 0 else price, realised)
        return NetworkPosition(left, (self.size * self.price + size * price) / left, realised)

    def unrealised(self, mark: float) -> float:
        """Profit of what is held at a mark."""
        return self.size * (mark - self.price)
