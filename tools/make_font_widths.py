"""Write graphviz_ad/font_widths.json: advance widths of DejaVu Sans, in thousandths of an em.

Run it by hand when the set of characters has to grow: ``python tools/make_font_widths.py``.
"""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib
from fontTools.ttLib import TTFont

# Latin, Greek, Cyrillic, punctuation, super- and subscripts, arrows, mathematics, boxes, dingbats.
RANGES = [
    (0x20, 0x7F),
    (0xA0, 0x250),
    (0x370, 0x400),
    (0x400, 0x460),
    (0x1D00, 0x1DC0),
    (0x2000, 0x2070),
    (0x2070, 0x20A0),
    (0x2100, 0x2300),
    (0x2400, 0x2440),
    (0x2500, 0x2800),
]


def widths(file: Path) -> dict[str, int]:
    """Character -> advance width."""
    font = TTFont(file)
    glyphs, advance, em = font.getBestCmap(), font["hmtx"], font["head"].unitsPerEm
    return {
        chr(code): round(1000 * advance[glyphs[code]][0] / em)
        for low, high in RANGES
        for code in range(low, high)
        if code in glyphs
    }


def runs(table: dict[str, int]) -> list[list[object]]:
    """The table as [first character, widths…] runs of successive characters."""
    found: list[list[object]] = []
    last = -2
    for char, width in table.items():
        if ord(char) != last + 1:
            found.append([char])
        found[-1].append(width)
        last = ord(char)
    return found


if __name__ == "__main__":
    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    tables = {"regular": runs(widths(fonts / "DejaVuSans.ttf")), "bold": runs(widths(fonts / "DejaVuSans-Bold.ttf"))}
    target = Path(__file__).parent.parent / "graphviz_ad/_internal/scene/font_widths.json"
    target.write_text(json.dumps(tables, ensure_ascii=True, separators=(",", ":")) + "\n")
