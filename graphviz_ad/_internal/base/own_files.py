"""Where our own files lie, so that frames of ours can be told from the user's."""

from __future__ import annotations

from pathlib import Path

OUR_FOLDER = f"{Path(__file__).parents[2]}/"
# Programs written, read and recorded as the user's own are.
EXAMPLES = (f"{OUR_FOLDER}_internal/teaching/galleries/", f"{OUR_FOLDER}_internal/tracing/tried_programs.py")
