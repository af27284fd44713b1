"""A transport from outside: installed through its entry point, found, checked, and run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = Path(__file__).parent / "plugins" / "benchkit-spool"

CHECK = """
from benchkit.testing import check_transport
from benchkit.transports.base import registry

entry = registry.entries()["spool"]
assert entry.distribution == "benchkit-spool", entry
print(check_transport(registry.build({"kind": "spool"}), quick=True))
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables of a Python that has the package installed, from a wheel, nowhere near its source."""
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-deps", "--no-build-isolation", "--no-index", "--target", str(target)]
    subprocess.run([*pip, *offline, str(PACKAGE)], check=True, cwd=target)
    path = [str(target), str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))}


def _run(environment: dict[str, str], *arguments: str, allowed: tuple[int, ...] = (0,)) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode in allowed, done.stderr
    return done.stdout


def test_it_is_written_in_under_sixty_lines() -> None:
    assert len((PACKAGE / "benchkit_spool.py").read_text().splitlines()) < 60


def test_it_is_found_and_passes_the_conformance_suite(environment: dict[str, str]) -> None:
    assert "transport 'spool': 17 facts hold" in _run(environment, "-c", CHECK)


def test_it_runs_in_the_dam_scenario(environment: dict[str, str], tmp_path: Path) -> None:
    arguments = ["--set", "transport=[spool, shm]", "--quick", "--out", str(tmp_path)]
    # 3: a machine that is busy with other things may make a cell an invalid one.
    _run(environment, "-m", "benchkit", "run", "scenarios/dam.yaml", *arguments, allowed=(0, 3))
    (found,) = tmp_path.glob("*/run.json")
    cells = [cell for cell in json.loads(found.read_text())["cells"] if cell["transport"] == "spool"]
    assert len(cells) >= 4
    for cell in cells:
        assert cell["account"]["delivered"]
        assert not any(cell["account"][name] for name in ("lost", "corrupted", "duplicated", "unexpected"))
