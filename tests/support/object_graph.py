"""The containers of a running server: every dict, list, set and the like that its objects hold, wherever they are."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from types import FunctionType, MappingProxyType, MethodType
from typing import Any

# What can grow, or be exchanged for one that has grown.
GROWING = (dict, list, set, frozenset, tuple, deque, bytearray, MappingProxyType)


def owners(thing: object, attribute: str) -> list[str]:
    """The names that an attribute may be declared under: of its class, and of those it inherits from."""
    return [f"{kind.__name__}.{attribute}" for kind in type(thing).__mro__ if kind.__module__.startswith("twisted_chat")]


def attributes(thing: object) -> Iterator[tuple[str, Any]]:
    """What an object holds, in its ``__dict__`` and its slots."""
    yield from getattr(thing, "__dict__", {}).items()
    for kind in type(thing).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            mangled = f"_{kind.__name__}{name}" if name.startswith("__") and not name.endswith("__") else name
            if hasattr(thing, mangled):
                yield mangled, getattr(thing, mangled)


def is_ours(thing: object) -> bool:
    """Whether an object is the server's own."""
    module = type(thing).__module__
    return module.startswith("twisted_chat") and module != "twisted_chat.testing" and not isinstance(thing, type)


def is_constant(thing: object) -> bool:
    """Whether an object is a frozen one, whose containers never change: they are bounded where it is made."""
    return is_dataclass(thing) and bool(type(thing).__dataclass_params__.frozen) and not fields_that_grow(thing)  # type: ignore[attr-defined]


def fields_that_grow(thing: object) -> list[str]:
    """The fields of a frozen dataclass that can grow all the same."""
    return [field.name for field in fields(thing) if isinstance(getattr(thing, field.name, None), dict | list | set | deque)]  # type: ignore[arg-type]


def containers(*roots: object) -> Iterator[tuple[list[str], Any]]:
    """Every container that can be reached from some objects, with the names it may be declared under; each but once.

    What several objects hold goes by the name it has in the one that is nearest to ``roots``.
    """
    seen: set[int] = set()
    waiting: deque[tuple[list[str], Any]] = deque(([], root) for root in roots)
    keep: list[Any] = []
    while waiting:
        names, thing = waiting.popleft()
        if id(thing) in seen or isinstance(thing, str | bytes | int | float | type | None):
            continue
        if isinstance(thing, tuple | frozenset) and not thing:  # one and the same for all
            continue
        seen.add(id(thing))
        keep.append(thing)
        if isinstance(thing, GROWING):
            if names:
                yield names, thing
            inner = list(thing.values()) + list(thing.keys()) if isinstance(thing, Mapping) else list(thing)
            if isinstance(thing, Mapping | Sequence | Set):
                waiting += [([f"{name}[]" for name in names], one) for one in inner]
        elif isinstance(thing, MethodType):
            waiting.append(([], thing.__self__))
        elif isinstance(thing, FunctionType):
            for cell in thing.__closure__ or ():
                try:
                    waiting.append(([], cell.cell_contents))
                except ValueError:
                    continue
        elif is_ours(thing):
            for name, value in attributes(thing):
                waiting.append((owners(thing, name), value))
