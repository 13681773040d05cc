"""Tape + autograd graph -> Graph."""
