"""The market: mechanics and rules, no opinions about behaviour."""
