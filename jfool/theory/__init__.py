"""Where sparse fooling images exist: the theorems of Kumano et al. (2020, sec. 4) as functions.

Each takes the weights of a model without biases and returns `Certificates`: for every k the bound,
and the k-SFI that reaches it. `linear`, `hidden_layer` and `polynomial` are Theorems 1 to 3, for
two classes; their `_among` forms handle several. All can be jitted and vmapped.
"""

from jfool.theory.certificates import Certificates, log_odds, log_odds_of, smallest_k
from jfool.theory.hidden_layer import hidden_layer
from jfool.theory.linear import linear
from jfool.theory.polynomial import form_of_features, pair_index, polynomial, quadratic_form
from jfool.theory.several_classes import (
    hidden_layer_among,
    linear_among,
    linear_bounds_on_k,
    necessary_gap,
    polynomial_among,
    sufficient_gap,
)

__all__ = [
    "Certificates",
    "form_of_features",
    "hidden_layer",
    "hidden_layer_among",
    "linear",
    "linear_among",
    "linear_bounds_on_k",
    "log_odds",
    "log_odds_of",
    "necessary_gap",
    "pair_index",
    "polynomial",
    "polynomial_among",
    "quadratic_form",
    "smallest_k",
    "sufficient_gap",
]
