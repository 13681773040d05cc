"""Tape + autograd graph -> Units: the passes, each in a module of its own; `assemble.LINKING` has them in their order."""
