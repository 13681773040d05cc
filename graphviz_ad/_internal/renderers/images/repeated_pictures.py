"""H.264 of pictures that are coded once -> the same with each repeated: a repeated picture is a slice that skips every
block, which depends on nothing but its number.

An encoder would compare every block of it, thirty times a second, only to find that nothing has changed. Pictures count
up from each that stands on its own, so those that follow a repeated one are given their new numbers; nothing else in
them knows of it, as long as each refers to the one before alone. The syntax is that of ITU-T H.264, clause 7.3.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

START = b"\0\0\0\1"
SLICE, KEY, PARAMETERS = 1, 5, 7  # kinds of units
WITH_CHROMA = (100, 110, 122, 244)  # profiles whose parameters begin with the format of colours


@dataclass
class Repeater:
    """Numbers pictures, and makes those that repeat the one before; ``still`` is what an encoder made of a picture
    that came twice, ``header`` its parameters.
    """

    header: bytes
    still: bytes
    number: int = -1  # of the picture before
    digits: int = field(init=False)

    def __post_init__(self) -> None:
        parameters = next(unit for unit in units(self.header) if kind(unit) == PARAMETERS)
        self.digits = digits_of_numbers(unescaped(parameters))

    def coded(self, packet: bytes) -> bytes:
        """A coded picture with its new number."""
        found = units(packet)
        self.number = 0 if any(kind(unit) == KEY for unit in found) else self.number + 1
        return joined([self._numbered(unit) if kind(unit) in (SLICE, KEY) else unit for unit in found])

    def repeated(self) -> bytes:
        """The picture before, again."""
        self.number += 1
        return joined([self._numbered(unit) for unit in units(self.still) if kind(unit) == SLICE])

    def _numbered(self, unit: bytes) -> bytes:
        bits = Bits(unescaped(unit), 8)
        for _ in range(3):  # first block, type, parameters
            bits.golomb()
        return escaped(bits.with_number(self.number % (1 << self.digits), self.digits))


@dataclass
class Bits:
    """Bytes read bit by bit."""

    data: bytes
    place: int

    def number(self, digits: int) -> int:
        """The next so many bits."""
        found = 0
        for place in range(self.place, self.place + digits):
            found = 2 * found + (self.data[place // 8] >> (7 - place % 8) & 1)
        self.place += digits
        return found

    def golomb(self) -> int:
        """The next number that is written behind as many zeros as it has bits."""
        zeros = 0
        while not self.number(1):
            zeros += 1
        return (1 << zeros) - 1 + self.number(zeros)

    def with_number(self, number: int, digits: int) -> bytes:
        """The bytes with other bits at this place."""
        first, after = self.place // 8, (self.place + digits + 7) // 8
        shift = 8 * after - self.place - digits
        old = int.from_bytes(self.data[first:after], "big")
        new = old & ~(((1 << digits) - 1) << shift) | number << shift
        return self.data[:first] + new.to_bytes(after - first, "big") + self.data[after:]


def digits_of_numbers(parameters: bytes) -> int:
    """How many bits the numbers of pictures have."""
    bits = Bits(parameters, 32)
    bits.golomb()  # which parameters these are
    if parameters[1] in WITH_CHROMA:
        for _ in range(3):
            bits.golomb()
        bits.number(1)
        if bits.number(1):
            raise ValueError("parameters with matrices of their own are not read")
    return bits.golomb() + 4


def kind(unit: bytes) -> int:
    """What a unit holds."""
    return unit[0] & 31


def units(stream: bytes) -> Sequence[bytes]:
    """The units between start codes."""
    return list(_units(stream))


def _units(stream: bytes) -> Iterator[bytes]:
    for part in stream.split(b"\0\0\1")[1:]:
        yield part.rstrip(b"\0")


def joined(found: Sequence[bytes]) -> bytes:
    """Units behind start codes."""
    return b"".join(START + unit for unit in found)


def unescaped(unit: bytes) -> bytes:
    """A unit without the bytes that keep start codes out of it."""
    return unit.replace(b"\0\0\3", b"\0\0")


def escaped(unit: bytes) -> bytes:
    """A unit that has no start code in it."""
    return re.sub(rb"\0\0(?=[\0-\3])", b"\0\0\3", unit)
