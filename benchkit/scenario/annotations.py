"""What an option's annotation says: does it take a list itself, a path, a secret?"""

from __future__ import annotations

import types
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from pathlib import PurePath
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretBytes, SecretStr, TypeAdapter
from pydantic.fields import FieldInfo


def _members(annotation: Any) -> Iterator[Any]:
    """The members of a union, without Annotated; the annotation itself where it is none."""
    if get_origin(annotation) is Annotated:
        yield from _members(get_args(annotation)[0])
    elif get_origin(annotation) in (Union, types.UnionType):
        for member in get_args(annotation):
            yield from _members(member)
    else:
        yield annotation


def _mentions(annotation: Any, wanted: tuple[type, ...]) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, wanted):
        return True
    return any(_mentions(argument, wanted) for argument in get_args(annotation))


def takes_list(field: FieldInfo) -> bool:
    """A list may be one value of this option (list, tuple, set, Any), not a sweep of it."""
    for member in _members(field.annotation):
        origin = get_origin(member) or member
        if origin in (Any, object):
            return True
        if (
            isinstance(origin, type)
            and issubclass(origin, Collection)
            and not issubclass(origin, (str, bytes, Mapping))
        ):
            return True
    return False


def is_path(field: FieldInfo) -> bool:
    """Texts in this option's value are file paths."""
    return _mentions(field.annotation, (PurePath,))


def is_secret(field: FieldInfo) -> bool:
    """This option's value is never shown."""
    return _mentions(field.annotation, (SecretStr, SecretBytes))


def refuses_bool(field: FieldInfo) -> str | None:
    """What a numeric option expects instead of true or false, which pydantic would take for 1 or 0."""
    members = list(_members(field.annotation))
    if any(member in (Any, object, bool, str) for member in members):
        return None
    if float in members:
        return "a number"
    return "a whole number" if int in members else None


@cache
def adapter(model: type[BaseModel], name: str) -> TypeAdapter[Any]:
    """Validates one option's value alone."""
    field = model.model_fields[name]
    return TypeAdapter(Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation)
