"""Encodings: how a genotype becomes an image."""

from jfool.encodings.pixels import Pixels
from jfool.encodings.sparse_pixels import SparseJob, SparsePixels

__all__ = ["Pixels", "SparseJob", "SparsePixels"]
