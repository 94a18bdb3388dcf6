"""The layers hold, and the contract that says so notices when they do not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=folder,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"},
        check=False,
    )


def test_layers_hold() -> None:
    answer = lint(ROOT)
    assert answer.returncode == 0, answer.stdout


def test_every_module_of_abm_has_its_layer() -> None:
    named = (ROOT / "pyproject.toml").read_text().split('containers = ["abm"]')[1].split("]\n\n")[0]
    modules = {path.stem for path in (ROOT / "abm").glob("*.py")} - {"__init__"}
    assert {module for module in modules if f"({module})" not in named} == set()


def test_a_broken_layer_is_noticed(tmp_path: Path) -> None:
    for package, module, text in (
        ("abm", "units", "import abm.model\n"),
        ("abm", "model", "import mesa\n"),
        ("abm", "venue", "import mesa\n"),
        ("agents", "noise", "import experiments.runner\n"),
        ("experiments", "runner", "import abm.model\n"),
    ):
        (tmp_path / package).mkdir(exist_ok=True)
        (tmp_path / package / "__init__.py").touch()
        (tmp_path / package / f"{module}.py").write_text(text)
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    answer = lint(tmp_path)
    assert answer.returncode == 1
    broken = "\n".join(answer.stdout.split("Broken contracts")[1:])
    assert "abm.units -> abm.model" in broken
    assert "agents.noise -> experiments.runner" in broken
    assert "abm.venue -> mesa" in broken
    assert "abm.model -> mesa" not in broken
