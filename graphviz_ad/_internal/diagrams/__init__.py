"""Architecture -> figures of it: columns of neurons, cards, stacks in perspective."""
