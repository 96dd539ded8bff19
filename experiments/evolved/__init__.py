"""The experiments of paper 001: fooling images that evolve."""
