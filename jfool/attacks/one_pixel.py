"""The one-pixel attack. (Su, Vargas & Sakurai, 2019; paper 004, "One Pixel Attack")"""

from jfool.composition import Composition
from jfool.encodings import SparsePixels
from jfool.objectives import Confidence, Objective
from jfool.search import DifferentialEvolution


def OnePixel(
    image_shape: tuple[int, int, int],
    num_classes: int,
    *,
    max_k: int = 1,
    search: DifferentialEvolution = DifferentialEvolution(population_size=400),
    objective: Objective = Confidence(),
    boundary: str = "clip",
) -> Composition:
    """Changes the class of a photograph by overwriting k = 1, 3 or 5 of its pixels.

    Sparse fooling with a photograph as the base (`job.base` `[H, W, C]`) and 400 candidates. Su et
    al. allow 100 generations and stop, targeted on CIFAR-10, at `until=jfool.confident(0.9)`;
    untargeted on ImageNet (`objective=Untargeted(Confidence())`, which minimises the true class)
    at `until=jfool.suppressed(0.05)`. Their untargeted rate on CIFAR-10 is the union over the nine
    targeted attacks.

    Args:
      image_shape, num_classes, max_k, search, objective, boundary: as `SparseFooling`.
    Returns:
      An attack for `jfool.run`; its jobs are `jfool.SparseJob`, `base` a photograph.
    Raises:
      ValueError: a setting that cannot work.
    Example:
      >>> from jfool.objectives import Untargeted
      >>> OnePixel((32, 32, 3), 10, objective=Untargeted(Confidence())).targeted
      False
    """
    return Composition(search, SparsePixels(image_shape, max_k, boundary), objective, num_classes)
