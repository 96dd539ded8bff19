"""Attacks with the settings of their papers."""

from jfool.attacks.adaptive_boundary import FAB
from jfool.attacks.auto_pgd import APGD
from jfool.attacks.deep_fool import DeepFool
from jfool.attacks.evolved_fooling import EvolvedFooling
from jfool.attacks.feature_inversion import FeatureInversion
from jfool.attacks.gradient_fooling import GradientFooling
from jfool.attacks.gradient_sign import BIM, FGSM, MIFGSM, PGD
from jfool.attacks.greedy_fooling import GreedyFooling
from jfool.attacks.hot_cold import HotCold
from jfool.attacks.in_turn import InTurn
from jfool.attacks.one_pixel import OnePixel
from jfool.attacks.restarts import Restarts
from jfool.attacks.sparse_fooling import SparseFooling
from jfool.attacks.square import Square

__all__ = [
    "APGD",
    "BIM",
    "FAB",
    "FGSM",
    "MIFGSM",
    "PGD",
    "DeepFool",
    "EvolvedFooling",
    "FeatureInversion",
    "GradientFooling",
    "GreedyFooling",
    "HotCold",
    "InTurn",
    "OnePixel",
    "Restarts",
    "SparseFooling",
    "Square",
]
