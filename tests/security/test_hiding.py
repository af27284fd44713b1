"""A secret that was seen goes out in no form; a text without one stays as it is."""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchkit import hiding
from benchkit.hiding import (
    HIDDEN,
    Hiding,
    hidden,
    hide,
    is_secret_name,
    notice,
    notice_environment,
    notice_option,
    remember,
)

STRANGE = "pl4nt:ed/s3c%r@t'\"q<&>\\ü#?"


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What other tests of this process have planted stays theirs."""
    monkeypatch.setattr(hiding, "_known", set())
    monkeypatch.setattr(hiding, "_forms", [])
    yield


def forms(secret: str) -> dict[str, str]:
    """How a library, a file format or a log may write it."""
    content = secret.encode()
    return {
        "as it is": secret,
        "quoted": quote(secret),
        "quoted whole": quote(secret, safe=""),
        "in lower case": quote(secret, safe="").replace("%2F", "%2f").replace("%3A", "%3a"),
        "quoted twice": quote(quote(secret, safe=""), safe=""),
        "in a query": quote_plus(secret),
        "by repr": repr(secret),
        "by repr of bytes": repr(content),
        "by ascii": ascii(secret),
        "in JSON": json.dumps({"a": secret}),
        "in JSON of letters": json.dumps({"a": secret}, ensure_ascii=False),
        "in JSON in JSON": json.dumps(json.dumps({"a": secret})),
        "in HTML": html.escape(secret),
        "in base64": base64.b64encode(content).decode(),
        "as basic authentication": base64.b64encode(b"user:" + content).decode(),
        "as basic authentication of another": base64.b64encode(b"me:" + content).decode(),
        "in base64 for URLs": base64.urlsafe_b64encode(b"x" + content + b"yz").decode(),
        "in hexadecimal": content.hex(),
    }


@pytest.mark.parametrize("form", forms(STRANGE))
def test_no_form_goes_out(form: str) -> None:
    remember(STRANGE)
    written = f"before {forms(STRANGE)[form]} after"
    shown = hide(written)
    assert HIDDEN in shown
    assert shown.startswith("before ")
    assert shown.endswith(" after")
    # Whatever of it is left is a few letters of an encoding's edge.
    assert len(shown) <= len("before *** after") + 20


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(st.text(min_size=8, max_size=24).filter(hiding._tells))
def test_any_secret_is_found_in_every_form(alone: None, secret: str) -> None:
    try:
        secret.encode()
    except UnicodeEncodeError:
        return
    hiding._known.clear()
    hiding._forms.clear()
    remember(secret)
    for name in ("as it is", "quoted", "quoted whole", "by repr", "in JSON", "in JSON of letters", "in HTML"):
        assert secret not in hide(f"a {forms(secret)[name]} b").replace(HIDDEN, ""), name
        assert HIDDEN in hide(f"a {forms(secret)[name]} b"), name


@given(st.text(max_size=200))
def test_a_text_without_a_secret_stays(text: str) -> None:
    assert hide(text) is text


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("password: h0rse-battery", "h0rse-battery"),
        ("password: 'h0rse battery' # mine", "h0rse battery"),
        ("{kind: x, auth_token: h0rse-battery, depth: 3}", "h0rse-battery"),
        ('"api-key": "h0rse-battery",', "h0rse-battery"),
        ("DB_PASSWORD=h0rse-battery", "h0rse-battery"),
        ("password: *h0rse-battery", "h0rse-battery"),
        ("token: !h0rse-battery x", "h0rse-battery"),
        ("url: redis://user:h0rse-battery@host/0", "h0rse-battery"),
        ("nats://h0rse-battery@host", "h0rse-battery"),
        ("redis://u:h0rse@battery@host", "h0rse@battery"),
        ("redis://u:h0rse%40battery@host", "h0rse@battery"),
        ("transport.url=amqp://u:h0rse-battery@h", "h0rse-battery"),
    ],
)
def test_a_text_is_searched_for_secrets_before_it_is_understood(text: str, secret: str) -> None:
    notice(text)
    assert secret not in hide(f"x {secret} y")


@pytest.mark.parametrize(
    "quoted",
    [
        "/services/T0AB/B0CD/x9Kd82mQz7Lp?ttl=3",
        "/services/T0AB/B0CD/x9Kd82mQz7Lp",
        "x9Kd82mQz7Lp",
        "q7Wm41nBv0Xc",
    ],
)
def test_a_webhook_s_address_is_hidden_by_its_pieces_too(quoted: str) -> None:
    url = "https://hooks.example/services/T0AB/B0CD/x9Kd82mQz7Lp?key=q7Wm41nBv0Xc"
    notice_option("url", url, secret=True)
    shown = hide(f"no service {quoted} here, see monitoring-services")
    assert "x9Kd82mQz7Lp" not in shown
    assert "q7Wm41nBv0Xc" not in shown
    assert shown.endswith("here, see monitoring-services")


def test_a_url_in_an_option_may_have_blanks_in_its_password() -> None:
    notice_option("url", "redis://me:my h0rse'\" battery@host:6379/0")
    assert hide("tried my h0rse'\" battery twice") == "tried *** twice"


def test_the_environments_secrets_are_known_by_their_names() -> None:
    notice_environment({
        "MY_API_KEY": "h0rse-battery", "PATH": "/usr/bin:/b1n", "BROKER": "redis://u:st4ple-gun@h",
        "AUTHOR": "Kim-Ch01", "SSH_AUTH_SOCK": "/run/ssh-1", "TOKEN_FILE": "not-4-secret",
    })  # fmt: skip
    seen = "Kim-Ch01 not-4-secret /run/ssh-1"
    assert hide(f"h0rse-battery st4ple-gun {seen}") == f"{HIDDEN} {HIDDEN} {seen}"


@pytest.mark.parametrize("word", ["redis", "password", "123456", "abc", "", "******", "constant"])
def test_words_that_stand_in_harmless_places_are_left_there(word: str) -> None:
    """They are hidden by the place in which they stand (scenario.redact), not by their letters."""
    remember(word)
    assert hide(f"a {word} b") == f"a {word} b"


@pytest.mark.parametrize(
    ("name", "secret"),
    [("password", True), ("db_password", True), ("authToken", True), ("x-api-key", True), ("pass", True),
     ("auth", True), ("author", False), ("compass", False), ("token_header", False), ("password_file", False),
     ("key", False),
     ("tokens", False), ("authority", False)],
)  # fmt: skip
def test_names_of_secrets(name: str, *, secret: bool) -> None:
    assert is_secret_name(name) == secret


def test_plain_data_keeps_its_shape_and_numbers() -> None:
    remember(STRANGE)
    data = {"a": [1, 2.5, None, True, STRANGE], STRANGE: {"b": f"x{STRANGE}y"}}
    assert hidden(data) == {"a": [1, 2.5, None, True, HIDDEN], HIDDEN: {"b": f"x{HIDDEN}y"}}


def test_a_stream_is_the_last_door() -> None:
    remember(STRANGE)
    under = io.StringIO()
    stream = Hiding(under)
    print("said:", STRANGE, file=stream)  # type: ignore[arg-type]
    stream.writelines(["a", STRANGE])
    assert under.getvalue() == f"said: {HIDDEN}\na{HIDDEN}"
    assert not stream.isatty()


def test_many_secrets_are_bounded() -> None:
    for number in range(2000):
        remember(f"secret-number-{number}")
    assert len(hiding._known) <= 256


def test_the_path_of_a_webhook_is_its_password_and_that_of_a_broker_is_not() -> None:
    notice_option("url", "https://hooks.example.com/services/T00/B00/h0rse-battery", secret=True)
    notice_option("url", "redis://host:6379/0", secret=True)
    assert hide("POST /services/T00/B00/h0rse-battery failed") == "POST /*** failed"
    assert hide("host:6379/0") == "host:6379/0"
