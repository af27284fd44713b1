from __future__ import annotations

import pytest
from shell import ROOT, Done, benchkit


@pytest.fixture(scope="session")
def dam(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The real scenario, measured once for many assertions."""
    out = tmp_path_factory.mktemp("dam")
    return benchkit("run", ROOT / "scenarios" / "dam.yaml", "--quick", "--json", "--out", out, out=out)
