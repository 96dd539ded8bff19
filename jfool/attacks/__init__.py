"""Attacks with the settings of their papers."""

from jfool.attacks.evolved_fooling import EvolvedFooling
from jfool.attacks.feature_inversion import FeatureInversion
from jfool.attacks.gradient_fooling import GradientFooling
from jfool.attacks.gradient_sign import BIM, FGSM, MIFGSM, PGD
from jfool.attacks.greedy_fooling import GreedyFooling
from jfool.attacks.one_pixel import OnePixel
from jfool.attacks.sparse_fooling import SparseFooling

__all__ = [
    "BIM",
    "FGSM",
    "MIFGSM",
    "PGD",
    "EvolvedFooling",
    "FeatureInversion",
    "GradientFooling",
    "GreedyFooling",
    "OnePixel",
    "SparseFooling",
]
