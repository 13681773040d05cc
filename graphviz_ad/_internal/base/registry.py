"""Name -> thing, imported when first asked for; the one place that says "no such name"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from graphviz_ad._internal.base.errors import UnknownNameError
from graphviz_ad._internal.base.needed_packages import named_if_missing


class Registry(Mapping[str, Any]):
    """A read-only mapping from names to objects that are imported on first use.

    Entries are ``"package.module:attribute"``, so that registering a plug-in costs nothing and a plug-in that does
    not import breaks nobody but its own users.
    """

    def __init__(self, kind: str, entries: Mapping[str, str], hint: str = "") -> None:
        self.kind, self._entries, self._hint = kind, dict(entries), hint

    def __getitem__(self, name: str) -> Any:
        if name not in self._entries:
            raise UnknownNameError(self.kind, name, self._entries, self._hint)
        module, _, attribute = self._entries[name].partition(":")
        with named_if_missing(f"{self.kind} {name!r}"):
            return getattr(import_module(module), attribute)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def register(self, name: str, target: str) -> None:
        """Add a plug-in under ``name``; ``target`` is ``"package.module:attribute"``."""
        self._entries[name] = target
