"""Plug-ins that plant a bottleneck; visible only while the self-test runs (`benchkit.selftest.install`)."""
