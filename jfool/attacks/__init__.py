"""The attacks of the papers, by name."""

from jfool.attacks.one_pixel import OnePixel
from jfool.attacks.sparse_fooling import SparseFooling

__all__ = ["OnePixel", "SparseFooling"]
