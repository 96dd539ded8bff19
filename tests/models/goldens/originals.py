"""PyTorch's originals of our ports, and which of their modules gives which of our layers."""

from collections.abc import Callable
from dataclasses import dataclass

import torch  # pyright: ignore[reportMissingImports]
import torchvision  # pyright: ignore[reportMissingImports]
from torch import nn  # pyright: ignore[reportMissingImports]

Color = tuple[float, float, float]


@dataclass(frozen=True)
class Original:
    """A network to run.

    Attributes:
      make: builds it, with PyTorch's own start weights.
      nodes: layer of ours -> its module whose output that is.
      image_shape: `(H, W, C)`.
      gain: of the formula's kernels.
      mean: taken off the pixels, which lie in [0, 1].
      std: divides them then.
    """

    make: Callable[[], nn.Module]
    nodes: dict[str, str]
    image_shape: tuple[int, int, int] = (64, 64, 3)
    gain: float = 1.0
    mean: Color = (0.485, 0.456, 0.406)
    std: Color = (0.229, 0.224, 0.225)


def resnet(*blocks: int) -> dict[str, str]:
    stages = [f"layer{i}.{j}" for i, count in enumerate(blocks, 1) for j in range(count)]
    renamed = {"conv1": "relu", "pool": "avgpool"}
    return {
        layer: renamed.get(layer, layer) for layer in ("conv1", "maxpool", *stages, "pool", "fc")
    }


def vgg16(*, batch_norm: bool = False, hidden: int = 2) -> dict[str, str]:
    nodes, position = {}, 0
    for stage, depth in enumerate((2, 2, 3, 3, 3), start=1):
        for number in range(1, depth + 1):
            position += 3 if batch_norm else 2
            nodes[f"conv{stage}_{number}"] = f"features.{position - 1}"
        nodes[f"pool{stage}"] = f"features.{position}"
        position += 1
    nodes |= {f"fc{6 + index}": f"classifier.{3 * index + 1}" for index in range(hidden)}
    return nodes | {f"fc{6 + hidden}": f"classifier.{3 * hidden}"}


def cifar_vgg16() -> nn.Module:
    """vgg16_bn for 32 x 32 pixels: 512 features - 512 - 10."""
    model = torchvision.models.vgg16_bn(num_classes=10)
    model.avgpool = nn.Identity()
    model.classifier = nn.Sequential(
        nn.Linear(512, 512), nn.ReLU(), nn.Dropout(), nn.Linear(512, 10)
    )
    return model


def mobilenet_v2_tf() -> nn.Module:
    """TensorFlow's variant: convolutions with a bias and nothing behind it, padded "SAME"."""
    model = torchvision.models.mobilenet_v2(norm_layer=nn.Identity)
    for module in list(model.modules()):
        if isinstance(module, nn.Conv2d):
            module.bias = nn.Parameter(torch.zeros(module.out_channels))
            module.padding = (0, 0)
            module.register_forward_pre_hook(pad_same)
    return model


def pad_same(module: nn.Module, inputs: tuple[torch.Tensor]) -> torch.Tensor:
    """As many outputs as inputs by stride, rounded up; an odd zero goes behind."""
    pads = []
    for length, size, stride in zip(
        inputs[0].shape[:1:-1], module.kernel_size[::-1], module.stride[::-1], strict=True
    ):
        zeros = max((-(-length // stride) - 1) * stride + size - length, 0)
        pads += [zeros // 2, zeros - zeros // 2]
    return nn.functional.pad(inputs[0], pads)


def numbered(kind: str, positions: dict[str, int]) -> dict[str, str]:
    return {layer: f"{kind}.{position}" for layer, position in positions.items()}


ALEXNET = numbered(
    "features",
    {"conv1": 1, "pool1": 2, "conv2": 4, "pool2": 5, "conv3": 7, "conv4": 9, "conv5": 11}
    | {"pool5": 12},
) | numbered("classifier", {"fc6": 2, "fc7": 5, "fc8": 6})

SQUEEZENET = numbered(
    "features",
    {"conv1": 1, "pool1": 2, "fire2": 3, "fire3": 4, "pool3": 5, "fire4": 6, "fire5": 7}
    | {"pool5": 8, "fire6": 9, "fire7": 10, "fire8": 11, "fire9": 12},
) | numbered("classifier", {"conv10": 2, "pool10": 3})

MOBILENET = numbered(
    "features", {"stem": 0, **{f"block{i}": i + 1 for i in range(17)}, "head": 18}
) | numbered("classifier", {"pool": 0, "classifier": 1})

LARGE = (224, 224, 3)
# SqueezeNet's 58 pixels let windows hang over the edge, which 224 and 64 never do.
ORIGINALS = {
    "resnet18": Original(torchvision.models.resnet18, resnet(2, 2, 2, 2), gain=0.6),
    "resnet50": Original(torchvision.models.resnet50, resnet(3, 4, 6, 3), gain=0.6),
    "resnet101": Original(torchvision.models.resnet101, resnet(3, 4, 23, 3), gain=0.6),
    "vgg16": Original(torchvision.models.vgg16, vgg16(), LARGE),
    "vgg16_bn": Original(torchvision.models.vgg16_bn, vgg16(batch_norm=True), LARGE),
    "cifar_vgg16": Original(
        cifar_vgg16,
        vgg16(batch_norm=True, hidden=1),
        (32, 32, 3),
        mean=(0.4914, 0.4822, 0.4465),
        std=(0.2470, 0.2435, 0.2616),
    ),
    "alexnet": Original(torchvision.models.alexnet, ALEXNET, LARGE),
    "squeezenet1_1": Original(torchvision.models.squeezenet1_1, SQUEEZENET, (58, 58, 3)),
    "mobilenet_v2": Original(torchvision.models.mobilenet_v2, MOBILENET),
    "mobilenet_v2_tf": Original(
        mobilenet_v2_tf, MOBILENET, mean=(128 / 255,) * 3, std=(128 / 255,) * 3
    ),
}
