"""Waterfalls by kind of venue, as lists of stages."""

from __future__ import annotations

STAGES: dict[str, tuple[str, ...]] = {
    "bankruptcy": ("cancel_orders", "bankruptcy_order", "take_over", "adl"),
    "reducing": ("cancel_orders", "reduce_tiers", "bankruptcy_order", "take_over", "adl"),
    "market": ("cancel_orders", "market_slices", "backstop", "adl"),
    "rounds": ("cancel_orders", "market_rounds", "take_over", "adl"),
    "fillable": ("cancel_orders", "fillable_order", "adl"),
}
