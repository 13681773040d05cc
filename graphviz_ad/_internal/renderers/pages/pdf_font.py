"""Characters of a face of DejaVu Sans -> the font that a PDF holds: the outlines of these characters only, and which
character each one is.
"""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Collection
from functools import lru_cache
from typing import Any

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont

from graphviz_ad._internal.renderers.images.letters import face

# of no use in a PDF
TABLES = ("GSUB", "GPOS", "GDEF", "kern", "post", "name", "OS/2", "gasp", "FFTM", "cvt ", "fpgm", "prep")


class PdfFont:
    """A face with the characters that are used of it."""

    def __init__(self, chars: Collection[str], bold: bool, italic: bool, mono: bool = False) -> None:
        self.chars = "".join(sorted(set(chars)))
        program, glyphs, widths, box = subset(self.chars, bold, italic, mono)
        self.program, self.widths, self.box = program, widths, box
        self.glyphs = dict(zip(self.chars, glyphs, strict=True))
        tag = "".join(chr(65 + byte % 26) for byte in hashlib.sha256(self.chars.encode()).digest()[:6])
        self.name = (
            f"{tag}+DejaVuSans" + "Mono" * mono + ("-" if bold or italic else "") + "Bold" * bold + "Oblique" * italic
        )
        self.slope = -11 if italic else 0

    def shown(self, text: str) -> bytes:
        """The text as a string of glyph numbers."""
        return b"<" + b"".join(b"%04X" % self.glyphs[char] for char in text) + b">"

    def characters(self) -> bytes:
        """Which character each glyph is, for those who search and copy."""
        rows = [f"<{glyph:04X}> <{char.encode('utf-16-be').hex().upper()}>" for char, glyph in self.glyphs.items()]
        blocks = [rows[i : i + 100] for i in range(0, len(rows), 100)]
        listed = "\n".join(f"{len(block)} beginbfchar\n" + "\n".join(block) + "\nendbfchar" for block in blocks)
        return f"""/CIDInit /ProcSet findresource begin 12 dict begin begincmap
/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def
/CMapName /Adobe-Identity-UCS def /CMapType 2 def
1 begincodespacerange <0000> <FFFF> endcodespacerange
{listed}
endcmap CMapName currentdict /CMap defineresource pop end end""".encode("ascii")


@lru_cache(maxsize=16)
def subset(
    chars: str, bold: bool, italic: bool, mono: bool
) -> tuple[bytes, tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """A font program with these characters, their glyphs in it, the widths of all its glyphs and its box, in
    thousandths of an em.
    """
    opened: Any = TTFont(face(bold, italic, mono), lazy=True, recalcTimestamp=False)  # its tables have no types
    with opened as font:
        options = Options(
            hinting=False, layout_features=[], notdef_outline=True, recalc_timestamp=False, drop_tables=[*TABLES]
        )
        subsetter = Subsetter(options)
        subsetter.populate(text=chars)
        subsetter.subset(font)
        names, best = font.getGlyphOrder(), font.getBestCmap()
        place = {name: i for i, name in enumerate(names)}
        em, head = font["head"].unitsPerEm, font["head"]
        widths = tuple(round(font["hmtx"][name][0] * 1000 / em) for name in names)
        box = tuple(round(edge * 1000 / em) for edge in (head.xMin, head.yMin, head.xMax, head.yMax))
        del font["cmap"]
        file = io.BytesIO()
        font.save(file)
    return file.getvalue(), tuple(place[best[ord(char)]] for char in chars), widths, box


def flate_stream(data: bytes) -> bytes:
    """What a PDF calls a flate stream."""
    return zlib.compress(data, 9)
