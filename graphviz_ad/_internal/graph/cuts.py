"""Names of the reasons why no gradient flows along an edge that code asks for; all of them stand where they are put
into words.
"""

DETACHED = "detach"  # the program cut it off, by detach(), .data or the like
SHAPE_ONLY = "shape-only"  # no number of it was read
INNER = "inner"  # within a custom Function, where autograd does not look
CUT_BY_THE_PROGRAM = frozenset((DETACHED, "no_grad", "inference", "non-differentiable"))
