"""The commands that measure a run again and draw its report anew."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchkit.report.text import clean


def commands(document: Mapping[str, Any], folder: Path) -> tuple[str, ...]:
    """One shell command a line; `folder` is the run directory."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", str(document["scenario"].get("name") or ""))[:60]
    version = clean(document["benchkit"])
    quick = " --quick" if document["quick"] else ""
    return (
        shlex.join(["pip", "install", f"benchkit=={version}"]),
        f"benchkit run {name.strip('-') or 'scenario'}.yaml{quick}",
        shlex.join(["benchkit", "report", clean(folder.name)]),
    )
