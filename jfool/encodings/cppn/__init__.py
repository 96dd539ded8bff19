"""Compositional pattern-producing networks: pictures as functions of place. (Stanley, 2007)"""

from jfool.encodings.cppn.encoding import CPPN
from jfool.encodings.cppn.genome import FUNCTIONS, INPUTS, Genome, is_full
from jfool.encodings.cppn.growth import Growth

__all__ = ["CPPN", "FUNCTIONS", "INPUTS", "Genome", "Growth", "is_full"]
