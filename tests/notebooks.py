"""The notebooks as pairs: text, which is edited, and the same with what its cells showed when they ran.

    python -m tests.notebooks [NAME ...]    runs all, or these, each in an empty folder, and writes the .ipynb

Pictures are made small, so that a code host shows a notebook and a repository bears it; what differs from run to run
without saying anything (times, versions) is not kept.
"""

from __future__ import annotations

import base64
import io
import os
import sys
import tempfile
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "notebooks"
WIDE = 800  # pixels of a picture
COLOURS = 256
LONGEST = 1800.0  # seconds of a cell


def texts() -> list[Path]:
    """The text of every notebook."""
    return sorted(FOLDER.glob("*.py"))


def executed(text: Path, work: Path) -> NotebookNode:
    """The notebook of a text with its outputs, run in a folder. Raises CellExecutionError where a cell does."""
    book = jupytext.read(text)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    NotebookClient(
        book, timeout=LONGEST, kernel_name="python3", resources={"metadata": {"path": str(work)}}
    ).execute()
    return book


def printed(book: NotebookNode) -> str:
    """What the cells of an executed notebook wrote on stdout."""
    return "".join(
        output["text"]
        for cell in book.cells
        for output in cell.get("outputs", ())
        if output["output_type"] == "stream" and output["name"] == "stdout"
    )


def pictures(book: NotebookNode) -> list[bytes]:
    """The pictures of a notebook, PNG."""
    return [
        base64.b64decode(output["data"]["image/png"])
        for cell in book.cells
        for output in cell.get("outputs", ())
        if "image/png" in output.get("data", {})
    ]


def small(picture: bytes) -> bytes:
    """A PNG no wider than `WIDE`, of few colours."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    if image.width > WIDE:
        image = image.resize((WIDE, round(image.height * WIDE / image.width)), Image.Resampling.LANCZOS)
    made = io.BytesIO()
    # by coverage: thin lines keep their colours
    few = image.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(made, "PNG", optimize=True)
    return made.getvalue()


def kept(book: NotebookNode) -> NotebookNode:
    """The notebook as it is kept: small pictures, no progress, no times."""
    book.metadata = {"jupytext": {"formats": "ipynb,py:percent"}, "kernelspec": book.metadata["kernelspec"]}
    for number, cell in enumerate(book.cells):
        cell["id"] = f"cell-{number}"
        cell["metadata"] = {}
        if cell["cell_type"] != "code":
            continue
        cell["outputs"] = [
            one for one in cell["outputs"] if one.get("name") != "stderr" and not _progress(one)
        ]
        for output in cell["outputs"]:
            data = output.get("data", {})
            if "image/png" in data:
                data["image/png"] = base64.b64encode(small(base64.b64decode(data["image/png"]))).decode()
                output["metadata"] = {}
    return book


def _progress(output: NotebookNode) -> bool:
    """Whether this is a line of progress: it is shown as a display, while what a cell is worth is its result."""
    return output["output_type"] == "display_data" and "image/png" not in output["data"]


def main(names: list[str]) -> None:
    """Run the notebooks of these names, or all, and write them."""
    for text in texts():
        if names and text.stem not in names:
            continue
        with tempfile.TemporaryDirectory() as work:
            book = kept(executed(text, Path(work)))
        target = text.with_suffix(".ipynb")
        nbformat.validate(book)
        nbformat.write(book, target)
        print(f"{target.relative_to(ROOT)}: {target.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
