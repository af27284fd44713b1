"""Messages that a transport can never take, and codecs that lose something: what a run says of them."""

from __future__ import annotations

import numpy as np
import pytest
from shell import Done, codes, environment, measure, small

SITE = """Metadata-Version: 2.1
Name: benchkit-narrow
Version: 1.0
"""
PLUGIN = '''
from dataclasses import replace
from benchkit.transports.inproc import Inproc

class Narrow(Inproc):
    """Takes 20000 bytes at most, and says so."""
    kind = "narrow"

    def capabilities(self):
        return replace(super().capabilities(), max_message_bytes=20_000, limit_name="Narrow: 20 kB per value")

    def sender(self, address):
        raise AssertionError("something was about to be sent")
'''


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Done:
    folder = tmp_path_factory.mktemp("narrow")
    metadata = folder / "site" / "benchkit_narrow-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(SITE)
    (metadata / "entry_points.txt").write_text("[benchkit.transports]\nnarrow = benchkit_narrow:Narrow\n")
    (folder / "site" / "benchkit_narrow.py").write_text(PLUGIN)
    scenario = small(
        folder,
        source={"kind": "camera", "size": "160x120", "distinct": 2},
        codec=["raw", {"kind": "jpeg", "quality": [60, 90]}],
        transport=["inproc", "narrow"],
        exclude=[{"codec": "jpeg", "transport": "narrow"}],
    )
    return measure(scenario, folder / "out", env=environment(PYTHONPATH=str(folder / "site")))


def test_the_cell_is_refused_with_the_limit_named_and_the_others_go_on(run: Done) -> None:
    (narrow,) = [cell for cell in run.document["cells"] if cell["transport"] == "narrow"]
    assert codes(narrow) == ["skipped"]
    (reason,) = narrow["validity"]["reasons"]
    assert "narrow takes at most 20000 (Narrow: 20 kB per value)" in reason["message"]
    assert reason["remedy"]
    assert narrow["account"]["scheduled"] == 0
    assert "Traceback" not in run.said
    others = [cell for cell in run.document["cells"] if cell["transport"] == "inproc"]
    assert len(others) == 3
    assert all(cell["account"]["delivered"] == cell["account"]["scheduled"] > 0 for cell in others)


def test_a_sweep_of_quality_shows_what_each_costs_and_loses(run: Done) -> None:
    raw, low, high = (cell for cell in run.document["cells"] if cell["transport"] == "inproc")
    assert [cell["parameters"]["codec"].get("quality") for cell in (raw, low, high)] == [None, 60, 90]
    assert raw["psnr_db"] is None
    assert low["psnr_db"]["arrays"] == high["psnr_db"]["arrays"] == 2
    assert low["psnr_db"]["worst"] <= low["psnr_db"]["mean"] < high["psnr_db"]["worst"]
    assert low["wire_bytes"] < high["wire_bytes"] < raw["wire_bytes"]
    assert np.isfinite(
        [cell["phases_us"][name]["p50"] for cell in (raw, low, high) for name in ("encode", "decode")]
    ).all()
    assert f"PSNR {high['psnr_db']['mean']:.1f} dB" in " ".join(run.said.split())
