"""Graphs of the ranks of one job -> one Graph."""
