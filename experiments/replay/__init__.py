"""A run as one HTML file that plays anywhere: no network, no installation, no server.

It is a page written by hand over a canvas, not made by a plotting library: what a replay needs is one clock that moves
eight panels at thirty frames a second over 9,000 steps, and the story of any of 100,000 accounts. A library would
bring one to four megabytes of its own into a file that may have ten, and redraw whole panels its own way.
The data are integers, differences along time, bytes of one weight together, deflated (`packing`); the browser inflates
them itself.
"""

from experiments.replay.content import PARTS as PARTS
from experiments.replay.page import write as write
