"""The Grafana dashboard that comes with benchkit."""

from __future__ import annotations

from importlib.resources import files


def dashboard() -> str:
    """Its JSON, in Grafana's classic model: import it (Dashboards > New > Import) and choose a Prometheus."""
    return files("benchkit.watch").joinpath("grafana.json").read_text("utf-8")
