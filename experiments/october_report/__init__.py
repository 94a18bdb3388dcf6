"""10 October as one page: what runs of the evening show beside what was measured, and what has been recorded of them.

One HTML file that asks no network for anything. Figures come from `experiments.figures`, cards and recorded results
from their Markdown; here they are put together, with who was closed by force and what stood still.
"""

from experiments.october_report.page import write as write
