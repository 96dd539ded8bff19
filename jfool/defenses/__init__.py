"""Models made of models: defenses, and what it takes to attack them."""

from jfool.defenses.averaged import Averaged
from jfool.defenses.straight_through import straight_through

__all__ = ["Averaged", "straight_through"]
