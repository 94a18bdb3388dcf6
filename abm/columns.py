"""Every column that a run records: its table, name, unit and meaning. One list for writers and readers.

Tables: `books`, `venues` and `network` hold one line a recorded step and book, venue or edge; `events` one an
event; `fills` one a fill (`record.fills`); `quotes` what chosen participants quote and hold (`record.quotes`);
`levels` the best price levels of chosen books (`record.levels`); `observations` what participants remarked for the
record; `stations` one whenever a resource of the network has changed, `waits` how long transfers queued at each,
`refusals` one a request; `accounts` and `positions` one an account or position at each chosen time. USD: dollars at
the value of the quote asset; a coin's amounts are in whole coins.
"""

from __future__ import annotations

from typing import NamedTuple


class Column(NamedTuple):
    """One recorded column."""

    table: str
    name: str
    unit: str
    meaning: str


BANDS = ("050", "100", "200", "500")  # distances from the middle at which depth is recorded, basis points


def _depth(side: str, word: str) -> list[Column]:
    near = {"050": "0.5 %", "100": "1 %", "200": "2 %", "500": "5 %"}
    return [
        Column(
            "books", f"depth_{side}_{band}", "USD", f"resting {word} orders within {near[band]} of the middle"
        )
        for band in BANDS
    ]


COLUMNS: tuple[Column, ...] = (
    Column("books", "step", "", "number of the step, 0 at the start"),
    Column("books", "time", "s", "end of the step, seconds since the start"),
    Column("books", "book", "", "venue:COIN-KIND"),
    Column("books", "last", "quote", "price of the latest trade"),
    Column("books", "bid", "quote", "best resting buy price"),
    Column("books", "ask", "quote", "best resting sell price"),
    Column("books", "mid", "quote", "middle of bid and ask; none while a side is empty"),
    Column("books", "mark", "quote", "mark price, to which accounts are valued"),
    Column("books", "index", "quote", "index price, from spot books"),
    Column("books", "spread_bp", "bp", "ask minus bid over the middle"),
    *_depth("bid", "buy"),
    *_depth("ask", "sell"),
    Column("books", "volume", "USD", "value traded in the step"),
    Column("books", "taker_buy", "USD", "value traded in the step where the buyer took"),
    Column("books", "trades", "count", "trades in the step"),
    Column("books", "low", "quote", "lowest trade of the step; none without a trade"),
    Column("books", "high", "quote", "highest trade of the step; none without a trade"),
    Column("books", "open_interest", "coins", "open long positions (perpetuals)"),
    Column("books", "open_interest_usd", "USD", "open long positions at the mark"),
    Column("books", "funding_rate", "share per interval", "funding rate that holds now; positive: longs pay"),
    Column("venues", "step", "", "number of the step"),
    Column("venues", "time", "s", "end of the step, seconds since the start"),
    Column("venues", "venue", "", "venue"),
    Column("venues", "liquidated_long", "USD", "long positions liquidated in the step, each contract once"),
    Column("venues", "liquidated_short", "USD", "short positions liquidated in the step, each contract once"),
    Column("venues", "adl", "USD", "positions closed by auto-deleveraging in the step"),
    Column("venues", "takeover", "USD", "positions taken over by the fund in the step"),
    Column("venues", "fund_cash", "USD", "cash of the insurance fund"),
    Column("venues", "fund_inventory", "USD", "positions of the fund at the mark, signed"),
    Column("venues", "fund_equity", "USD", "cash of the fund plus the worth of its positions"),
    Column("venues", "capital", "USD", "the venue's own capital, the last resort; may be negative"),
    Column("venues", "gateway_delay", "s", "longest wait of a message in the gateway's queue"),
    Column("venues", "messages", "count", "messages the gateway accepted in the step"),
    Column("venues", "rejected", "count", "messages rejected in the step, for any reason"),
    Column("network", "step", "", "number of the step"),
    Column("network", "time", "s", "end of the step, seconds since the start"),
    Column("network", "edge", "", "source->target:ASSET"),
    Column("network", "queue", "count", "transfers that wait to be sent"),
    Column("network", "in_transit", "asset", "amount under way"),
    Column("network", "open", "", "whether the edge accepts transfers"),
    Column("network", "moved", "asset", "amount that arrived in the step"),
    Column("events", "id", "", "number of the event"),
    Column("events", "time", "s", "seconds since the start"),
    Column(
        "events",
        "kind",
        "",
        "what happened: liquidation, takeover, adl, deficit, bankruptcy, funding, conversion, halted, news ...",
    ),
    Column("events", "parent", "", "event that caused this one; -1 none"),
    Column("events", "venue", "", "venue"),
    Column("events", "book", "", "book"),
    Column("events", "owner", "", "owner of the account; -1 none"),
    Column("events", "row", "", "account; -1 none"),
    Column("events", "other_owner", "", "owner of the other side; -1 none"),
    Column("events", "side", "", "side of the position that is closed: 1 long, -1 short"),
    Column("events", "quantity", "coins", "size"),
    Column("events", "price", "quote", "price of the fill or settlement"),
    Column("events", "mark", "quote", "mark price at that time"),
    Column("events", "value", "USD", "size at the price"),
    Column(
        "events", "amount", "USD", "what the fund (a lender, by a forfeit) gains or pays, a fee, a deficit"
    ),
    Column("events", "cause", "", "decision, liquidation, adl, hedge, disposal, conversion, stop, news ..."),
    Column("events", "stage", "", "stage of the venue's waterfall that did it; none elsewhere"),
    Column("events", "published", "", "times the venue's public feed of liquidations counts it: 0, 1 or 2"),
    Column("fills", "time", "s", "seconds since the start, end of the step"),
    Column("fills", "book", "", "book"),
    Column("fills", "side", "", "side of the taker: 1 buys, -1 sells"),
    Column("fills", "price", "quote", "price"),
    Column("fills", "quantity", "coins", "size"),
    Column("fills", "value", "USD", "size at the price"),
    Column(
        "fills",
        "cause",
        "",
        "why the taker's order was sent: decision, liquidation, conversion, hedge, stop, news ...",
    ),
    Column(
        "fills",
        "event",
        "",
        "liquidation or conversion event whose order it is; -1 an order of a participant",
    ),
    Column("fills", "taker", "", "account of the taker"),
    Column("fills", "maker", "", "account of the resting order"),
    Column("fills", "taker_owner", "", "its owner"),
    Column("fills", "maker_owner", "", "its owner"),
    Column("quotes", "time", "s", "seconds since the start, end of the step"),
    Column("quotes", "participant", "", "who quotes"),
    Column("quotes", "book", "", "book"),
    Column("quotes", "bid", "quote", "its best resting buy price; none without one"),
    Column("quotes", "ask", "quote", "its best resting sell price; none without one"),
    Column("quotes", "bid_value", "USD", "all its resting buy orders in the book"),
    Column("quotes", "ask_value", "USD", "all its resting sell orders in the book"),
    Column("quotes", "inventory", "coins", "its signed position in the book's perpetual"),
    Column("levels", "time", "s", "seconds since the start, end of the step"),
    Column("levels", "book", "", "book"),
    Column("levels", "side", "", "+1 bids, -1 asks, each from the best price on"),
    Column("levels", "price", "quote", "price of the level"),
    Column("levels", "quantity", "coins", "what rests there"),
    Column("observations", "time", "s", "seconds since the start, end of the step"),
    Column("observations", "participant", "", "who remarked it"),
    Column(
        "observations",
        "what",
        "",
        "its word for it; arbitrageurs: the constraint that kept a gap that pays from being traded",
    ),
    Column("observations", "book", "", "book; arbitrageurs: where it would have bought"),
    Column("observations", "other_book", "", "the other book; arbitrageurs: where it would have sold"),
    Column("observations", "value", "USD", "how much; arbitrageurs: coins not traded in that moment"),
    Column("observations", "rate", "log", "price difference; arbitrageurs: after fees and execution risk"),
    Column("stations", "time", "s", "end of the step in which it changed, seconds since the start"),
    Column("stations", "resource", "", "resource of the network"),
    Column("stations", "queue", "count", "transfers that wait"),
    Column("stations", "queue_value", "USD", "what they are worth"),
    Column("stations", "busy", "count", "transfers in service"),
    Column(
        "stations",
        "serving",
        "",
        "whether it works: not shut by an event, a calendar, a failure, its owner's rule",
    ),
    Column(
        "stations",
        "level",
        "share",
        "hot wallet over its target, room of an allowance or credit line over its most",
    ),
    Column("stations", "joined", "count", "transfers that have joined its queue so far"),
    Column("stations", "served", "count", "transfers that have left its queue so far"),
    Column("stations", "waited", "s", "what they waited, all together"),
    Column("stations", "busy_time", "s", "time in service so far, all servers together"),
    Column("waits", "resource", "", "resource of the network"),
    Column("waits", "below", "s", "waits in its queue shorter than this and at least its 1.19th part"),
    Column("waits", "count", "count", "transfers that waited so"),
    Column("refusals", "time", "s", "end of the step, seconds since the start"),
    Column("refusals", "source", "", "venue or place that it would have left"),
    Column("refusals", "target", "", "venue or place that it would have reached"),
    Column("refusals", "sent", "", "asset"),
    Column(
        "refusals", "reason", "", "no route, no capacity, withdrawals shut, queue full, not above the fee"
    ),
    Column("refusals", "value", "USD", "what was asked for"),
    Column("accounts", "row", "", "account"),
    Column("accounts", "owner", "", "owner's number"),
    Column("accounts", "owner_name", "", "owner's name"),
    Column("accounts", "participant", "", "participant that decides for the owner"),
    Column("accounts", "venue", "", "venue"),
    Column("accounts", "isolated", "", "whether the account is the margin of one position alone"),
    Column("accounts", "balance", "settlement asset", "wallet balance"),
    Column(
        "accounts",
        "equity",
        "settlement asset",
        "balance plus profit of open positions at the mark, plus collateral with its haircut",
    ),
    Column("accounts", "maintenance", "settlement asset", "maintenance margin"),
    Column("accounts", "leverage", "", "notional over equity"),
    Column("accounts", "notional", "settlement asset", "open positions at the mark, both sides added"),
    Column(
        "accounts",
        "coins",
        "USD",
        "other assets than the settlement one, at spot prices; with collateral pledged, less coins owed",
    ),
    Column("positions", "row", "", "account"),
    Column("positions", "book", "", "book"),
    Column("positions", "quantity", "coins", "signed size"),
    Column("positions", "entry_price", "quote", "mean entry price"),
    Column("positions", "mark", "quote", "mark price"),
    Column("positions", "notional", "settlement asset", "size at the mark"),
    Column("positions", "liquidation_price", "quote", "mark at which liquidation starts, all else equal"),
)
