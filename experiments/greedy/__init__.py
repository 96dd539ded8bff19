"""jfool's own greedy choice of pixels beside differential evolution."""
