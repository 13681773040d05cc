"""Tape + autograd graph -> Units: the passes; `assemble.LINKING` has them in their order."""
