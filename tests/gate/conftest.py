from __future__ import annotations

from pathlib import Path

import pytest
from project import SCENARIO, STAGE, git


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with a scenario and a stage, one commit; the gate's cache is the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    folder = (tmp_path / "project").resolve()
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "stage.py").write_text(STAGE, "utf-8")
    (folder / "s.yaml").write_text(SCENARIO, "utf-8")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "first")
    return folder
