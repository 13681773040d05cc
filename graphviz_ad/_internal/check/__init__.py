"""Graph -> reports: whether its gradients and its links are right."""
