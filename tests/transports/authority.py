"""A certificate authority of the tests, and a server's certificate signed by it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest


def made(folder: Path) -> Path:
    """ca.pem, server.pem and server.key for localhost in `folder`; skips the test where there is no openssl."""

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder)

    make = ("req", "-newkey", "rsa:2048", "-nodes")
    try:
        openssl(*make, "-x509", "-subj", "/CN=benchkit test", "-keyout", "ca.key", "-out", "ca.pem")
    except FileNotFoundError:
        pytest.skip("no openssl to make certificates with")
    openssl(*make, "-subj", "/CN=localhost", "-keyout", "server.key", "-out", "server.csr")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n", encoding="utf-8")
    sign = ("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial")
    openssl(*sign, "-extfile", "names", "-out", "server.pem")
    return folder
