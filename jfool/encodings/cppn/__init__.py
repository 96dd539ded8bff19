"""Compositional pattern-producing networks: images as functions of position. (Stanley, 2007)"""

from jfool.encodings.cppn.encoding import CPPN
from jfool.encodings.cppn.genome import FUNCTIONS, INPUTS, Genome, is_full
from jfool.encodings.cppn.growth import Growth
from jfool.encodings.cppn.storage import describe, load_genome, save_genome

__all__ = [
    "CPPN",
    "FUNCTIONS",
    "INPUTS",
    "Genome",
    "Growth",
    "describe",
    "is_full",
    "load_genome",
    "save_genome",
]
