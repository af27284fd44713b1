"""Secrets that this process has seen, and texts without them.

What a secret is shows where it comes in: an option that is one, a part of a URL, a word such as `password:` before
it, a variable of the environment that is called so. From then on it is taken out of whatever goes out, in each of the
forms in which libraries quote it; a text that no secret was in stays as it is. `scenario.redact` hides by the shape of
a text, this module by its content: a library's message may hold the password without the URL around it.
"""

from __future__ import annotations

import base64
import html
import json
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, TextIO
from urllib.parse import quote, quote_plus, unquote

HIDDEN: Final = "***"
_NAMED: Final = re.compile(
    r"(?:^|[_\-.\s])(?:password|passwd|passphrase|pwd|pass|token|secret|credentials?|api[_-]?key|access[_-]?key"
    r"|private[_-]?key|authorization|auth)(?:$|[_\-.\s])|(?:password|token|secret)$",
    re.IGNORECASE,
)
_ABOUT: Final = re.compile(r"[_-](?:header|file|path|name|type|env|url|bytes|s)$", re.IGNORECASE)
"""What is called so tells of a secret and is none."""

_LEAST: Final = 6
_PLAIN_LEAST: Final = 12
"""What is shorter, or a word of small letters or digits alone, stands in too many harmless places."""
_MOST_SECRETS: Final = 256
_LONGEST: Final = 4096
_MOST_TEXT: Final = 1 << 20
_ASSIGNED: Final = re.compile(
    r"(?P<name>[\w.-]{0,64}(?:pass|pwd|token|secret|key|auth|credential)[\w-]{0,16})"
    r"[\"']?[ \t]{0,8}[:=][ \t]{0,8}(?P<value>[^\r\n]{1,512})",
    re.IGNORECASE,
)
_ESCAPED: Final = re.compile(r"[^\s\"'<>]*%[0-9A-Fa-f]{2}[^\s\"'<>]*")
_LAYERS: Final = 8
_PATH_WORD: Final = re.compile(r"(?=[^/?&=]*[0-9A-Z])[^/?&=]+")
"""Between the marks of a path and its query; one of small letters alone is a word of a language."""
_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,31}:/{1,2}(?P<rest>\S{1,1024})")

CONFIDED: Final = "env:"
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")

_known: set[str] = set()
_forms: list[str] = []
"""Of all of them, the longest first."""


def remember(secret: str) -> None:
    """From now on `secret` goes out of this process in no form; nothing happens for what is no secret's form."""
    for form in dict.fromkeys((secret, unquote(secret))):
        if _tells(form) and form not in _known and len(_known) < _MOST_SECRETS:
            _known.add(form)
            _forms.extend(each for each in dict.fromkeys(_written(form)) if len(each) >= _LEAST)
            _forms.sort(key=len, reverse=True)


def _tells(word: str) -> bool:
    if not _LEAST <= len(word) <= _LONGEST or word.strip("*") == "":
        return False
    plain = word.isascii() and ((word.isalpha() and word.islower()) or word.isdigit())
    return len(word) >= _PLAIN_LEAST or not plain


def is_secret_name(name: str) -> bool:
    """Whether an option or variable of this name holds what is nobody's business: DB_PASSWORD, auth-token, mytoken."""
    return bool(_NAMED.search(name)) and not _ABOUT.search(name)


def notice(text: str) -> None:
    """Remember what stands in a text as a secret: behind a word such as `password:`, before the @ of a URL.

    For texts that may turn out to be no scenario at all: whatever is wrong with one is then said without it.
    """
    for found in _ASSIGNED.finditer(text[:_MOST_TEXT]):
        if is_secret_name(found["name"]):
            for value in _values(found["value"]):
                remember(value)
    for found in _URL.finditer(text[:_MOST_TEXT]):
        _notice_userinfo(found["rest"])


def notice_option(name: str, value: str, *, secret: bool = False) -> None:
    """Remember an option's value, if it is a secret or has one in it; a URL's user and password may hold blanks."""
    rest = value.partition("://")[2]
    if rest:
        _notice_userinfo(rest)
        if secret:
            # Of a webhook the path is the password: all of it, or the long words in it that nobody can guess.
            path = rest.rpartition("@")[2].partition("/")[2]
            for word in (path, path.partition("?")[0], *_PATH_WORD.findall(path)):
                remember(word if len(word) >= _PLAIN_LEAST else "")
    elif secret or is_secret_name(name):
        remember(value)
    notice(value)


def confided(written: str) -> str:
    """Of `env:NAME` what that variable of the environment holds, a secret from here on; anything else is itself.

    So that a URL with a password is in no file and in no list of processes. Raises ValueError in words for people,
    without the value.
    """
    if not written.startswith(CONFIDED):
        return written
    name = written.removeprefix(CONFIDED)
    if not _VARIABLE.fullmatch(name):
        raise ValueError("behind `env:` stands the name of a variable of the environment")
    value = os.environ.get(name, "")
    if not value:
        raise ValueError(f"the environment has no {name}, or an empty one")
    notice_option("", value, secret=True)
    return value


def _notice_userinfo(rest: str) -> None:
    """`rest` follows the scheme: the password before an @, or the user where there is none (a token)."""
    for userinfo in dict.fromkeys((rest.partition("@")[0], rest.rpartition("@")[0])):
        if "@" not in rest:
            return
        user, colon, password = userinfo.partition(":")
        if colon:
            remember(password)
        elif "/" not in user:
            remember(user)


def _values(written: str) -> Iterator[str]:
    """What a value may be without the quotes, commas, comments and marks that stand around it."""
    value = written.strip()
    yield value.lstrip("*&!|>").strip("\"'")
    for end in (",", "}", "]", "&", ";", " "):
        yield value.partition(end)[0].rstrip().lstrip("*&!|>").strip("\"'")
    if value[:1] in "\"'":
        yield value[1:].partition(value[0])[0]


def notice_data(value: Any, name: str = "") -> None:
    """Remember what is secret in plain data, by the names of its entries."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            notice_data(each, str(key))
    elif isinstance(value, (list, tuple)):
        for each in value:
            notice_data(each, name)
    elif isinstance(value, str):
        notice_option(name, value)


def notice_environment(environment: Mapping[str, str]) -> None:
    """Remember the values of variables that are called so, and the passwords of URLs in any."""
    for name, value in environment.items():
        if is_secret_name(name) and not value.startswith(os.sep):
            remember(value)
        for found in _URL.finditer(value[:_LONGEST]):
            _notice_userinfo(found["rest"])


def hide(text: str) -> str:
    """`text` with *** in place of every secret that was remembered, however it is written."""
    for form in _forms:
        if form in text:
            text = text.replace(form, HIDDEN)
    return _ESCAPED.sub(_unescaped, text) if _known and "%" in text else text


def _unescaped(found: re.Match[str]) -> str:
    """A word with escapes as it is, or *** where it hides a secret: letters may be escaped that need not be."""
    word = found[0]
    for _ in range(_LAYERS):
        plainer = unquote(word)
        if plainer == word:
            break
        word = plainer
        if any(secret in word or secret in word.replace("+", " ") for secret in _known):
            return HIDDEN
    return found[0]


def hidden(value: Any) -> Any:
    """The same for plain data, keys included; what holds no secret comes back as it is."""
    return _hidden(value) if _known else value


def _hidden(value: Any) -> Any:
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, Mapping):
        return {_hidden(key): _hidden(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_hidden(each) for each in value]
    return value


def _written(secret: str) -> Iterator[str]:
    """How libraries and formats write it."""
    once = (
        secret, quote(secret), quote(secret, safe=""), quote_plus(secret), repr(secret)[1:-1], ascii(secret)[1:-1],
        json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], html.escape(secret),
        html.escape(secret, quote=False), repr(secret.encode("utf-8", "replace"))[2:-1],
    )  # fmt: skip
    yield from once
    for form in once[4:8]:
        yield html.escape(form)
        yield json.dumps(form)[1:-1]
    content = secret.encode("utf-8", "replace")
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        # Wherever it begins within what was encoded (`user:password`), the letters in its middle are the same.
        for before in range(3):
            whole = encode(b"\0" * before + content).decode().rstrip("=")
            first, spare = (0, 2, 3)[before], (before + len(content)) % 3
            yield whole[first : len(whole) - (1 if spare else 0)]
    yield content.hex()


class Hiding:
    """A text stream that lets no secret through: the last door, behind those that hide in what they make.

    What was hidden before stays one piece even where a table breaks its lines; this one sees a line at a time.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """As the stream does."""
        self._stream.write(hide(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """As the stream does."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
