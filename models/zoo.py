"""The victim networks by name, trained on demand and remembered."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from flax import nnx

from models import weights
from models.alexnet import AlexNet
from models.allconv import AllConv
from models.cache import cache_folder, check_writable
from models.caffenet import CaffeNet
from models.capsnet import CapsNet
from models.cifar_resnet import CifarResNet
from models.cnn import CNN
from models.datasets import Dataset
from models.lenet import LeNet
from models.mlp import MLP
from models.mobilenet import MobileNetV2
from models.network import Network
from models.nin import NiN
from models.normalization import BYTES_TO_ONE, CIFAR10
from models.progress import Progress
from models.recipes import RECIPES, Recipe
from models.resnet import ResNet
from models.squeezenet import SqueezeNet
from models.training import OnEpoch, train
from models.vgg import VGG16


class _Constructor(Protocol):
    def __call__(
        self, image_shape: tuple[int, int, int], num_classes: int, *, rngs: nnx.Rngs
    ) -> Network: ...


@dataclass(frozen=True)
class Architecture:
    """A network by name.

    Attributes:
      make: constructor.
      image_shape: `(H, W, C)` unless one asks for another.
      num_classes: `K` unless one asks for another.
      papers: which of the papers attack it, in a few words.
    """

    make: _Constructor
    image_shape: tuple[int, int, int]
    num_classes: int
    papers: str


_SFI = "sparse fooling images (2020)"
_EASILY = "easily fooled (2015)"
_ONE_PIXEL = "one pixel (2019)"
_NONE = "none of them"
_PORT = "a port with published weights"
_MNIST = ((28, 28, 1), 10)
_CIFAR = ((32, 32, 3), 10)
_IMAGENET = ((224, 224, 3), 1000)

_TF_MOBILENET = partial(MobileNetV2, batch_norm=False, padding="SAME", normalize=BYTES_TO_ONE)
_CIFAR_VGG = partial(VGG16, batch_norm=True, hidden=(512,), normalize=CIFAR10)

ARCHITECTURES: dict[str, Architecture] = {
    "lenet": Architecture(LeNet, *_MNIST, _EASILY),
    "mlp": Architecture(MLP, *_MNIST, _SFI),
    "cnn": Architecture(CNN, *_MNIST, _SFI),
    "cnn_nopool": Architecture(partial(CNN, pool=False), *_MNIST, _SFI),
    "capsnet": Architecture(CapsNet, *_MNIST, _SFI),
    "cifar_resnet20": Architecture(CifarResNet, *_CIFAR, _PORT),
    "cifar_resnet32": Architecture(partial(CifarResNet, depth=32), *_CIFAR, _PORT),
    "cifar_resnet44": Architecture(partial(CifarResNet, depth=44), *_CIFAR, _PORT),
    "cifar_resnet56": Architecture(partial(CifarResNet, depth=56), *_CIFAR, _PORT),
    "cifar_resnet110": Architecture(partial(CifarResNet, depth=110), *_CIFAR, _PORT),
    "cifar_resnet50": Architecture(
        partial(ResNet, depth=50, normalize=CIFAR10), *_CIFAR, f"{_SFI}, with the stem of ImageNet"
    ),
    "nin": Architecture(NiN, *_CIFAR, f"{_SFI}, {_ONE_PIXEL}"),
    "allconv": Architecture(AllConv, *_CIFAR, _ONE_PIXEL),
    "resnet18": Architecture(partial(ResNet, depth=18), *_IMAGENET, _SFI),
    "resnet50": Architecture(partial(ResNet, depth=50), *_IMAGENET, _SFI),
    "resnet101": Architecture(partial(ResNet, depth=101), *_IMAGENET, _SFI),
    "vgg16": Architecture(VGG16, *_IMAGENET, _NONE),
    "vgg16_bn": Architecture(partial(VGG16, batch_norm=True), *_IMAGENET, _NONE),
    "cifar_vgg16": Architecture(_CIFAR_VGG, *_CIFAR, f"{_SFI}, {_ONE_PIXEL}"),
    "alexnet": Architecture(AlexNet, *_IMAGENET, f"{_ONE_PIXEL}, in Caffe's variant"),
    "caffenet": Architecture(CaffeNet, (227, 227, 3), 1000, _EASILY),
    "squeezenet1_1": Architecture(SqueezeNet, *_IMAGENET, _NONE),
    "mobilenet_v2": Architecture(MobileNetV2, *_IMAGENET, _NONE),
    "mobilenet_v2_tf": Architecture(_TF_MOBILENET, *_IMAGENET, _NONE),
}


def create(
    name: str,
    image_shape: tuple[int, int, int] | None = None,
    num_classes: int | None = None,
    seed: int = 0,
) -> Network:
    """Makes an untrained network, in training mode.

    Args:
      name: one of `ARCHITECTURES`.
      image_shape: `(H, W, C)`; by default the architecture's.
      num_classes: `K`; by default the architecture's.
      seed: of the start weights and of dropout.
    Raises:
      ValueError: unknown name, no classes, or images too small for the architecture.
    """
    if name not in ARCHITECTURES:
        raise ValueError(f"model: expected one of {', '.join(ARCHITECTURES)}, got {name!r}")
    architecture = ARCHITECTURES[name]
    if image_shape is None:
        image_shape = architecture.image_shape
    if num_classes is None:
        num_classes = architecture.num_classes
    is_shape = isinstance(image_shape, Sequence) and len(image_shape) == 3
    if not (is_shape and all(map(_is_count, image_shape))):
        raise ValueError(f"image_shape: expected (height, width, channels), got {image_shape}")
    if not _is_count(num_classes):
        raise ValueError(f"num_classes: expected at least 1, got {num_classes}")
    height, width, channels = image_shape
    model = architecture.make((height, width, channels), num_classes, rngs=nnx.Rngs(seed))
    means = getattr(model.normalize, "mean", (0.0,))
    if len(means) not in (1, channels):
        raise ValueError(f"image_shape: expected {len(means)} channels, got {channels}")
    return model


def outline(
    name: str,
    image_shape: tuple[int, int, int] | None = None,
    num_classes: int | None = None,
) -> Network:
    """A network made of shapes alone, in evaluation mode: what are its layers, how large is it?

    Args: see `create`.
    """
    model = nnx.eval_shape(lambda: create(name, image_shape, num_classes))
    model.eval()
    return model


def recipe_for(name: str, dataset_name: str, setting: str = "model") -> Recipe:
    """The recipe by which `trained` trains.

    Args:
      name: one of `ARCHITECTURES`.
      dataset_name: one of `DATASETS`.
      setting: what errors call the architecture.
    Raises:
      ValueError: there is none for this architecture or this data set.
    """
    if dataset_name not in RECIPES:
        known = ", ".join(RECIPES)
        raise ValueError(f"dataset: expected a recipe for one of {known}, got {dataset_name!r}")
    if name not in RECIPES[dataset_name]:
        known = ", ".join(RECIPES[dataset_name])
        raise ValueError(f"{setting}: expected one of {known}, got {name!r}")
    return RECIPES[dataset_name][name]


def trained(
    name: str,
    dataset: Dataset,
    seed: int = 0,
    on_epoch: OnEpoch | None = None,
    num_epochs: int | None = None,
) -> tuple[Network, dict[str, Any]]:
    """A trained network: from the cache where one was trained alike, otherwise trained now.

    A training that was interrupted goes on behind its last whole epoch.

    Args:
      name: one of `ARCHITECTURES`.
      dataset: what to train on.
      seed: of the start weights, of dropout and of the order of the images.
      on_epoch: see `train`; never called for a network out of the cache.
      num_epochs: train no further than that, if the recipe has more epochs; another call goes on,
        and what is done already stays.
    Returns:
      The network in evaluation mode, and its card: `model`, `dataset`, `num_train_images`,
      `num_test_images`, `recipe`, `source`, `seed`, `accuracy` (on the test images), `versions`,
      and, if epochs of the recipe are left, how many `epochs` are done.
    Raises:
      ValueError: unknown name, fewer epochs than one, or a cache with damaged files or that cannot
        be written to.
    """
    if num_epochs is not None and num_epochs < 1:
        raise ValueError(f"num_epochs: expected at least 1, got {num_epochs}")
    recipe = recipe_for(name, dataset.name)
    model = create(name, dataset.image_shape, len(dataset.class_names), seed)
    path = weights_path(name, dataset.name, seed)
    origin = {
        "model": name,
        "dataset": dataset.name,
        "num_train_images": len(dataset.train_images),
        "num_test_images": len(dataset.test_images),
        "recipe": recipe.settings(),
        "seed": seed,
    }
    try:
        card = _restore_if_alike(model, path, origin)
    except ValueError as error:
        raise ValueError(f"{error}; delete it to train anew") from error
    if card is not None:
        model.eval()
        return model, card

    check_writable(path.parent, "JFOOL_CACHE")
    progress = Progress(path.with_suffix(".progress.safetensors"), origin)
    total = len(recipe.epoch_lengths(len(dataset.train_images)))
    done = max(progress.num_epochs(), total if num_epochs is None else min(num_epochs, total))
    accuracy = train(model, dataset, recipe, seed, on_epoch, progress, num_epochs)
    versions = {package: version(package) for package in ("jax", "flax", "optax", "numpy")}
    card = {**origin, "source": recipe.source, "accuracy": accuracy, "versions": versions}
    if done < total:
        return model, {**card, "epochs": done}
    weights.save(model, path, card)
    progress.clear()
    # As out of the cache: a trained one's random streams have moved on.
    model = create(name, dataset.image_shape, len(dataset.class_names), seed)
    weights.restore(model, path)
    model.eval()
    return model, card


def _is_count(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and bool(value >= 1)


def _restore_if_alike(model: Network, path: Path, origin: dict[str, Any]) -> dict[str, Any] | None:
    """Loads cached weights of that origin; returns their card, or None if there are none."""
    if not (path.exists() and weights.card_path(path).exists()):
        return None
    card = weights.read_card(path)
    if "epochs" in card or not origin.items() <= card.items():  # or a training that ended early
        return None
    weights.restore(model, path)
    return card


def weights_path(name: str, dataset_name: str, seed: int) -> Path:
    """Where `trained` keeps the weights of a network."""
    return cache_folder() / "weights" / dataset_name / f"{name}-seed{seed}.safetensors"
