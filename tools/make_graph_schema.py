"""Write docs/graph.schema.json: the JSON Schema of saved graphs, which the package itself reads them by."""

from __future__ import annotations

import json
from pathlib import Path

from graphviz_ad._internal.graph.file_schema import published

PATH = Path(__file__).parents[1] / "docs" / "graph.schema.json"


def text() -> str:
    """The file as it has to be."""
    return json.dumps(published(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    PATH.write_text(text(), "utf-8")
