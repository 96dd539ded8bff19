"""The victim networks by name."""

import inspect
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import Any, Protocol

import numpy as np
from flax import nnx

from models.alexnet import AlexNet
from models.allconv import AllConv
from models.caffenet import CaffeNet
from models.capsnet import CapsNet
from models.cifar_resnet import CifarResNet
from models.cnn import CNN
from models.data_checks import is_image_shape
from models.lenet import LeNet
from models.mlp import MLP
from models.mobilenet import MobileNetV2
from models.network import Network
from models.nin import NiN
from models.normalization import BYTES_TO_ONE, CIFAR10
from models.resnet import ResNet
from models.squeezenet import SqueezeNet
from models.vgg import VGG16
from models.wong import CERTIFIED_CIFAR10, Wong


class Constructor(Protocol):
    def __call__(
        self, image_shape: tuple[int, int, int], num_classes: int, *, rngs: nnx.Rngs
    ) -> Network: ...


@dataclass(frozen=True)
class Architecture:
    """A named network.

    Attributes:
      make: constructor.
      image_shape: `(H, W, C)`, by default.
      num_classes: `K`, by default.
      papers: which papers attack it.
    """

    make: Constructor
    image_shape: tuple[int, int, int]
    num_classes: int
    papers: str


_SFI = "Kumano et al. (2020)"
_EASILY = "Nguyen et al. (2015)"
_ONE_PIXEL = "Su et al. (2019)"
_CERTIFIED = "none of the papers; certified by Wong & Kolter (2018)"
_NONE = "none of the papers"
_PORT = "a port with published weights"
_MNIST = ((28, 28, 1), 10)
_CIFAR = ((32, 32, 3), 10)
_MOST_VALUES = 2**24  # of an image, and classes
_IMAGENET = ((224, 224, 3), 1000)

_TF_MOBILENET = partial(MobileNetV2, batch_norm=False, padding="SAME", normalize=BYTES_TO_ONE)
_CIFAR_RESNET50 = partial(ResNet, depth=50, normalize=CIFAR10)
_CIFAR_WONG = partial(Wong, normalize=CERTIFIED_CIFAR10)
_CIFAR_VGG = partial(VGG16, batch_norm=True, hidden=(512,), normalize=CIFAR10)

ARCHITECTURES: dict[str, Architecture] = {
    "lenet": Architecture(LeNet, *_MNIST, _EASILY),
    "mlp": Architecture(MLP, *_MNIST, _SFI),
    "cnn": Architecture(CNN, *_MNIST, _SFI),
    "cnn_nopool": Architecture(partial(CNN, pool=False), *_MNIST, _SFI),
    "capsnet": Architecture(CapsNet, *_MNIST, _SFI),
    "wong": Architecture(Wong, *_MNIST, _CERTIFIED),
    "cifar_wong": Architecture(_CIFAR_WONG, *_CIFAR, _CERTIFIED),
    "cifar_resnet20": Architecture(CifarResNet, *_CIFAR, _PORT),
    "cifar_resnet32": Architecture(partial(CifarResNet, depth=32), *_CIFAR, _PORT),
    "cifar_resnet44": Architecture(partial(CifarResNet, depth=44), *_CIFAR, _PORT),
    "cifar_resnet56": Architecture(partial(CifarResNet, depth=56), *_CIFAR, _PORT),
    "cifar_resnet110": Architecture(partial(CifarResNet, depth=110), *_CIFAR, _PORT),
    "cifar_resnet50": Architecture(_CIFAR_RESNET50, *_CIFAR, f"{_SFI}, with ImageNet's stem"),
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
      seed: of the initial weights and of dropout.
    Raises:
      ValueError: unknown name, no classes, or images too small for the architecture.
    """
    if not isinstance(name, str) or name not in ARCHITECTURES:
        alike = get_close_matches(str(name)[:60], ARCHITECTURES, n=3, cutoff=0.4)
        known = ", ".join(alike or ["lenet", "cnn", "resnet50"])
        raise ValueError(
            f"name: expected one of models.ARCHITECTURES, such as {known}, got {name!r:.60}"
        )
    architecture = ARCHITECTURES[name]
    image_shape = architecture.image_shape if image_shape is None else image_shape
    num_classes = architecture.num_classes if num_classes is None else num_classes
    if not is_image_shape(image_shape):
        raise ValueError(
            f"image_shape: expected (height, width, channels), got {image_shape!r:.60}"
        )
    height, width, channels = map(int, image_shape)
    if height * width * channels > _MOST_VALUES:
        raise ValueError(
            f"image_shape: expected at most {_MOST_VALUES} values, got {image_shape!r:.60}"
        )
    if not is_count(num_classes) or num_classes > _MOST_VALUES:
        raise ValueError(
            f"num_classes: expected a number from 1 to {_MOST_VALUES}, got {num_classes!r:.60}"
        )
    check_seed(seed)
    # Looked up, since the initial weights of an odd image may take long to draw.
    kind = getattr(architecture.make, "func", architecture.make)
    default = getattr(inspect.signature(kind.__init__).parameters.get("normalize"), "default", None)
    normalize = getattr(architecture.make, "keywords", {}).get("normalize", default)
    means = getattr(normalize, "mean", (0.0,))
    if len(means) not in (1, channels):
        raise ValueError(
            f"image_shape: expected {len(means)} channels, got {channels} (give height, width, "
            "channels)"
        )
    return architecture.make((height, width, channels), int(num_classes), rngs=nnx.Rngs(seed))


def outline(
    name: str,
    image_shape: tuple[int, int, int] | None = None,
    num_classes: int | None = None,
) -> Network:
    """A network without weights, in evaluation mode, to look at its layers and shapes.

    Args: see `create`.
    """
    model = nnx.eval_shape(lambda: create(name, image_shape, num_classes))
    model.eval()
    return model


def check_seed(seed: Any) -> None:
    """Refuses what is not a seed."""
    if not (_is_integer(seed) and -(2**63) <= seed < 2**63):
        raise ValueError(f"seed: expected a whole number of 64 bits, got {seed!r:.60}")


def is_count(value: Any) -> bool:
    """Whether a value is a whole number of at least 1."""
    return _is_integer(value) and bool(value >= 1)


def _is_integer(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)
