"""How each network is trained: the settings of the papers, and our choices where they give none."""

from dataclasses import asdict, dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from models.data_checks import is_number, is_whole
from models.names import one_of


@dataclass(frozen=True)
class Adam:
    """Adam with optax's default moments. (Kingma and Ba, 2015)

    The rate falls continuously, by the factor `decay` every `decay_steps` steps.
    """

    learning_rate: float = 1e-3
    decay: float = 1.0
    decay_steps: int = 1

    def transformation(self) -> optax.GradientTransformation:
        rate = optax.exponential_decay(self.learning_rate, self.decay_steps, self.decay)
        return optax.adam(rate)


@dataclass(frozen=True)
class SGD:
    """Momentum and weight decay on all parameters: `v = momentum v + g + decay w; w -= rate v`."""

    learning_rate: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 5e-4

    def transformation(self) -> optax.GradientTransformation:
        return optax.chain(
            optax.add_decayed_weights(self.weight_decay),
            optax.sgd(self.learning_rate, momentum=self.momentum),
        )


@dataclass(frozen=True)
class CaffeSGD:
    """Caffe's solver with the `inv` policy and the settings of `lenet_solver.prototxt`.

    `v = momentum v + rate_t (g + decay w); w -= v`, with `rate_t = learning_rate (1 + gamma
    t)^-power`. Unlike in `SGD`, the momentum accumulates steps that already include the rate.
    Weight decay includes the biases, whose rate is `bias_rate` times as high.
    """

    learning_rate: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 5e-4
    gamma: float = 1e-4
    power: float = 0.75
    bias_rate: float = 2.0

    def transformation(self) -> optax.GradientTransformation:
        return optax.chain(
            optax.add_decayed_weights(self.weight_decay),
            optax.stateless(self._speed_up_biases),
            optax.scale_by_schedule(self._rate),
            optax.trace(self.momentum),
            optax.scale(-1.0),
        )

    def _rate(self, step: jax.typing.ArrayLike) -> jax.Array:
        falling = 1 + self.gamma * jnp.asarray(step, jnp.float32)
        return self.learning_rate * falling**-self.power

    def _speed_up_biases(self, updates: optax.Updates, _: optax.Params | None) -> optax.Updates:
        def scale(path: tuple[Any, ...], update: jax.Array) -> jax.Array:
            names = jax.tree_util.keystr(path, simple=True, separator=".").split(".")
            return update * self.bias_rate if "bias" in names else update

        return jax.tree_util.tree_map_with_path(scale, updates)


@dataclass(frozen=True)
class Recipe:
    """The settings of a training.

    Attributes:
      optimizer: with all its settings.
      num_steps: total number of batches; the last epoch may be incomplete.
      batch_size: images per step.
      source: where the settings come from, and which of them are assumptions.
    Raises:
      TypeError, ValueError: naming the setting.
    """

    optimizer: Adam | SGD | CaffeSGD
    num_steps: int
    batch_size: int
    source: str

    def __post_init__(self) -> None:
        if not isinstance(self.optimizer, (Adam, SGD, CaffeSGD)):
            expected = "a models.Adam, SGD or CaffeSGD"
            raise TypeError(f"optimizer: expected {expected}, got {self.optimizer!r:.60}")
        for name, value in asdict(self.optimizer).items():
            least_is_out = name in ("learning_rate", "decay", "decay_steps")
            if not is_number(value) or value < 0 or (least_is_out and not np.float32(value)):
                bound = "above 0" if least_is_out else "of at least 0"
                raise ValueError(f"{name}: expected a finite number {bound}, got {value!r:.60}")
        for name in ("num_steps", "batch_size"):
            if not is_whole(value := getattr(self, name), 1):
                raise ValueError(
                    f"{name}: expected a whole number of at least 1, got {value!r:.60}"
                )

    def epoch_lengths(self, num_images: int) -> list[int]:
        """Number of steps of each epoch; images that do not fill a batch are left out."""
        if num_images < self.batch_size:
            raise ValueError(
                f"dataset: expected at least one batch of {self.batch_size} training images, "
                f"got {num_images}"
            )
        whole = num_images // self.batch_size
        full_epochs, rest = divmod(self.num_steps, whole)
        return [whole] * full_epochs + [rest] * (rest > 0)

    def settings(self) -> dict[str, Any]:
        """Everything that determines the weights, in JSON types."""
        return {
            "optimizer": {"name": type(self.optimizer).__name__, **asdict(self.optimizer)},
            "num_steps": self.num_steps,
            "batch_size": self.batch_size,
        }


_SFI = "Kumano et al. (2020); batch size and number of steps are assumptions"
_CAFFE = "BVLC Caffe, examples/mnist/lenet_solver.prototxt"
_CAPSULES = (
    "code by the authors of Sabour et al. (2017): rate, its decay, loss and batch size; unlike "
    "there, images are not shifted; one epoch is an assumption"
)
_CAPSULES_LONGER = (
    "code by the authors of Sabour et al. (2017): rate and loss; unlike there, images are not "
    "shifted; four epochs of batches of 64, over which the rate falls to a tenth, are assumptions"
)
_OTHERS_ADAM = "recipe of Kumano et al. (2020) for MNIST; its use on CIFAR-10 is an assumption"
_OTHERS_SGD = "recipe of Kumano et al. (2020) for other networks; its use here is an assumption"
_SHORT = "shortened for the 1 437 training images of digits; otherwise "
_SHORT_CAFFE = (
    "shortened for the 1 437 training images of digits, rates and batch size chosen on a part of "
    "them; otherwise " + _CAFFE
)
_SFI_LONG = (
    "Kumano et al. (2020); batch size and number of steps are assumptions, chosen on an unreported "
    "training seed so that the network is fooled as easily as the paper's"
)


def _adam(num_steps: int, source: str = _SFI, batch_size: int = 128) -> Recipe:
    return Recipe(Adam(), num_steps, batch_size, source)


def _sgd(num_steps: int, source: str = _SFI) -> Recipe:
    return Recipe(SGD(), num_steps, 128, source)


# Epochs: 468 steps of 128, 937 of 64 or 1875 of 32 images on (Fashion-)MNIST, 390 of 128 on
# CIFAR-10; on digits 11 of 128 (LeNet 44 of 32).
_MNIST = {
    "lenet": Recipe(CaffeSGD(), 10_000, 64, _CAFFE),
    "mlp": _adam(10 * 468),
    "cnn": _adam(60 * 1875, _SFI_LONG, batch_size=32),
    "cnn_nopool": _adam(4 * 468),
    "capsnet": Recipe(Adam(decay=0.96, decay_steps=2000), 468, 128, _CAPSULES),
}
RECIPES: dict[str, dict[str, Recipe]] = {
    "mnist": _MNIST,
    "fashion_mnist": _MNIST
    | {
        "cnn": _adam(10 * 468),
        "capsnet": Recipe(Adam(decay=0.1, decay_steps=4 * 937), 4 * 937, 64, _CAPSULES_LONGER),
    },
    "cifar10": {
        "lenet": Recipe(CaffeSGD(), 10_000, 64, _CAFFE),
        "mlp": _sgd(20 * 390),
        "cnn": _adam(20 * 390, _OTHERS_ADAM),
        "cnn_nopool": _adam(5 * 390, _OTHERS_ADAM),
        **dict.fromkeys(("cifar_vgg16", "nin", "cifar_resnet50"), _sgd(20 * 390)),
        **dict.fromkeys(("allconv", "cifar_resnet20"), _sgd(20 * 390, _OTHERS_SGD)),
    },
    "digits": {
        "lenet": Recipe(CaffeSGD(0.02, gamma=0.01), 10 * 44, 32, _SHORT_CAFFE),
        "mlp": _adam(30 * 11, _SHORT + _SFI),
        "cnn": _adam(10 * 11, _SHORT + _SFI),
        "cnn_nopool": _adam(5 * 11, _SHORT + _SFI),
    },
}


def recipe_for(
    name: str,
    dataset_name: str,
    setting: str = "model",
    advice: str = "give weights, or another recipe",
) -> Recipe:
    """The recipe that `trained` uses by default.

    Args:
      name: one of `ARCHITECTURES`.
      dataset_name: one of `DATASETS`.
      setting: name of the architecture in errors.
      advice: in errors, what to do.
    Raises:
      ValueError: no recipe for this architecture or this data set.
    """
    if not isinstance(dataset_name, str) or dataset_name not in RECIPES:
        expected, got = one_of(RECIPES, dataset_name), f"{dataset_name!r:.60}"
        raise ValueError(f"dataset: expected a recipe for {expected}, got {got}")
    recipes = RECIPES[dataset_name]
    if not isinstance(name, str) or name not in recipes:
        expected = f"{one_of(recipes, name)}, which have a recipe for {dataset_name}"
        raise ValueError(f"{setting}: expected {expected}, got {name!r:.60} ({advice})")
    return RECIPES[dataset_name][name]
