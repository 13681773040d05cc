"""Functions of numbers -> their types: of plain numbers they make a plain number, of ADNumbers an ADNumber."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias, overload

if TYPE_CHECKING:
    from graphviz_ad._internal.ad_number import ADNumber

Number: TypeAlias = "ADNumber | float"


class OfOne(Protocol):
    """A function such as sin."""

    @overload
    def __call__(self, a: float, /) -> float: ...

    @overload
    def __call__(self, a: ADNumber, /) -> ADNumber: ...


class OfTwo(Protocol):
    """A function such as max."""

    @overload
    def __call__(self, a: float, b: float, /) -> float: ...

    @overload
    def __call__(self, a: ADNumber, b: Number, /) -> ADNumber: ...

    @overload
    def __call__(self, a: float, b: ADNumber, /) -> ADNumber: ...
