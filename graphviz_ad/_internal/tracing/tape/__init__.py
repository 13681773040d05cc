"""A running program -> Tape: every operation below autograd, with what it read, what it made, and where it was
called.
"""
