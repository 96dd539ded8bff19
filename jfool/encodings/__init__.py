"""Encodings: how a genotype becomes an image."""

from jfool.encodings.cppn import CPPN
from jfool.encodings.direct_pixels import DirectPixels
from jfool.encodings.pixels import Pixels
from jfool.encodings.sparse_pixels import SparseJob, SparsePixels
from jfool.encodings.variation import (
    BoundedMutation,
    NoCrossover,
    PolynomialMutation,
    SimulatedBinaryCrossover,
)

__all__ = [
    "CPPN",
    "BoundedMutation",
    "DirectPixels",
    "NoCrossover",
    "Pixels",
    "PolynomialMutation",
    "SimulatedBinaryCrossover",
    "SparseJob",
    "SparsePixels",
]
