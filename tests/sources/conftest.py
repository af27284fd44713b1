from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOOTAGE = "shared/data/cctv-walkway.avi"


@pytest.fixture
def footage() -> Path:
    """Real surveillance footage that is not part of the repository: 768x576, 795 frames."""
    found = next((at / FOOTAGE for at in ROOT.parents if (at / FOOTAGE).is_file()), None)
    if found is None:
        pytest.skip(f"no ../{FOOTAGE} beside the repository")
    return found
