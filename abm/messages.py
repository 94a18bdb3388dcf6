"""What a venue may be asked and what it answers: kinds of messages, flags of orders, self-trade prevention, codes."""

from __future__ import annotations

# what a message asks for
LIMIT, MARKET, CANCEL, CANCEL_ALL, AMEND, QUOTE = range(6)
DONE = 255  # it has been executed or refused

# order flags; UNPRICED and ENDS are the venue's own notes: an order came without a price, its life has an end. SLIDE:
# an order that would trade rests a tick behind the other side's best instead (Deribit's post_only without
# reject_post_only)
IOC, FOK, POST_ONLY, REDUCE_ONLY, ENGINE, UNPRICED, ENDS, SLIDE = 1, 2, 4, 8, 16, 32, 64, 128

# self-trade prevention
STP_RESTING, STP_TAKING, STP_BOTH, STP_OFF = range(4)

# what a message's sender is told
CODES = (
    "accepted",
    "bad price",
    "bad size",
    "outside the band",
    "post-only would trade",
    "nothing to reduce",
    "not enough margin",
    "not enough balance",
    "cannot be filled whole",
    "unknown order",
    "too many orders of the account",
    "no room",
    "halted",
    "gateway full",
    "self-trade",
    "wrong venue",
    "wrong contract for an isolated account",
    "expired",
    "account removed",
    "too many messages",
    "above the largest order",
)
(
    ACCEPTED,
    BAD_PRICE,
    BAD_SIZE,
    OUTSIDE_BAND,
    WOULD_TRADE,
    NOTHING_TO_REDUCE,
    NO_MARGIN,
    NO_BALANCE,
    NOT_WHOLE,
    UNKNOWN_ORDER,
    TOO_MANY_ORDERS,
    NO_ROOM,
    HALTED,
    GATEWAY_FULL,
    SELF_TRADE,
    WRONG_VENUE,
    WRONG_CONTRACT,
    EXPIRED,
    REMOVED,
    TOO_MANY_MESSAGES,
    TOO_LARGE,
) = range(len(CODES))

MAX_PRICE = 1 << 31
MAX_LOTS = 1 << 46
# of one order in quote units ($36 billion): what is computed from it stays far inside 63 bits
MAX_VALUE = 1 << 55
# of one account's position with its orders ($576 billion), so that eight times the mark is still inside 63 bits; below
# `LEAST_TICKS` a mark counts as so many ticks, for its ten bits below the tick
MAX_POSITION = 1 << 59
LEAST_TICKS = 64
