"""PyTorch's originals of our ports, and which of their modules gives which of our layers."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

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


class CifarBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut of every second pixel and zero channels."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.stride, self.zeros = stride, (width - channels) // 2
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        kept = x[:, :, :: self.stride, :: self.stride]
        return (y + nn.functional.pad(kept, (0, 0, 0, 0, self.zeros, self.zeros))).relu()


def cifar_resnet(num_blocks: int) -> nn.Module:
    """Restated after He et al., section 4.2, with option A."""
    model = nn.Sequential()
    model.add_module("conv1", nn.Conv2d(3, 16, 3, 1, 1, bias=False))
    model.add_module("bn1", nn.BatchNorm2d(16))
    model.add_module("relu", nn.ReLU())
    channels = 16
    for stage, width in enumerate((16, 32, 64), start=1):
        blocks = nn.Sequential()
        for _ in range(num_blocks):
            blocks.append(CifarBlock(channels, width, width // channels))
            channels = width
        model.add_module(f"layer{stage}", blocks)
    model.add_module("pool", nn.AdaptiveAvgPool2d(1))
    model.add_module("flat", nn.Flatten())
    model.add_module("linear", nn.Linear(64, 10))
    return model


def unit(channels: int, width: int, size: int, stride: int = 1, *, last: bool = False) -> nn.Module:
    """Convolution, batch normalisation unless it is the last, ReLU."""
    made = nn.Sequential()
    made.add_module("conv", nn.Conv2d(channels, width, size, stride, size // 2, bias=last))
    if not last:
        made.add_module("norm", nn.BatchNorm2d(width))
    made.add_module("relu", nn.ReLU())
    return made


def nin() -> nn.Module:
    """Restated after Lin et al., section 4; pools keep to the image."""
    model = nn.Sequential()
    model.add_module("block1", nn.Sequential(unit(3, 192, 5), unit(192, 160, 1), unit(160, 96, 1)))
    model.add_module("pool1", nn.MaxPool2d(3, 2, padding=1))
    model.add_module("block2", nn.Sequential(unit(96, 192, 5), *(unit(192, 192, 1) for _ in "ab")))
    model.add_module("pool2", nn.AvgPool2d(3, 2, padding=1, count_include_pad=False))
    model.add_module(
        "block3", nn.Sequential(unit(192, 192, 3), unit(192, 192, 1), unit(192, 10, 1, last=True))
    )
    model.add_module("pool3", nn.AdaptiveAvgPool2d(1))
    return model


def allconv() -> nn.Module:
    """Restated after Springenberg et al., table 2, All-CNN-C."""
    units, channels = nn.Sequential(), 3
    for width, size, stride in (
        *((96, 3, 1), (96, 3, 1), (96, 3, 2)),
        *((192, 3, 1), (192, 3, 1), (192, 3, 2)),
        *((192, 3, 1), (192, 1, 1)),
    ):
        units.append(unit(channels, width, size, stride))
        channels = width
    units.append(unit(channels, 10, 1, last=True))
    model = nn.Sequential()
    model.add_module("units", units)
    model.add_module("pool", nn.AdaptiveAvgPool2d(1))
    return model


def mobilenet_v2_tf() -> nn.Module:
    """TensorFlow's variant: convolutions with a bias and nothing after it, padded "SAME"."""
    model = torchvision.models.mobilenet_v2(norm_layer=nn.Identity)
    for module in list(model.modules()):
        if isinstance(module, nn.Conv2d):
            module.bias = nn.Parameter(torch.zeros(module.out_channels))
            module.padding = (0, 0)
            module.register_forward_pre_hook(pad_same)
    return model


def pad_same(module: nn.Module, inputs: tuple[torch.Tensor]) -> torch.Tensor:
    """As many outputs as inputs by stride, rounded up; an odd zero goes last."""
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

CIFAR_RESNET56 = {
    "conv1": "relu",
    **{f"layer{i}.{j}": f"layer{i}.{j}" for i in (1, 2, 3) for j in range(9)},
    "pool": "pool",
    "linear": "linear",
}
NIN: dict[str, str] = {}
for block in (1, 2, 3):
    NIN |= {f"conv{block}_{index}": f"block{block}.{index - 1}" for index in (1, 2, 3)}
    NIN[f"pool{block}"] = f"pool{block}"
ALLCONV = {f"conv{number}": f"units.{number - 1}" for number in range(1, 10)} | {"pool": "pool"}

LARGE = (224, 224, 3)
SMALL = (32, 32, 3)
CIFAR_MEAN, CIFAR_STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
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
        SMALL,
        mean=CIFAR_MEAN,
        std=CIFAR_STD,
    ),
    "cifar_resnet56": Original(partial(cifar_resnet, 9), CIFAR_RESNET56, SMALL, gain=0.6),
    "nin": Original(nin, NIN, SMALL, mean=CIFAR_MEAN, std=CIFAR_STD),
    "allconv": Original(allconv, ALLCONV, SMALL, mean=CIFAR_MEAN, std=CIFAR_STD),
    "alexnet": Original(torchvision.models.alexnet, ALEXNET, LARGE),
    "squeezenet1_1": Original(torchvision.models.squeezenet1_1, SQUEEZENET, (58, 58, 3)),
    "mobilenet_v2": Original(torchvision.models.mobilenet_v2, MOBILENET),
    "mobilenet_v2_tf": Original(
        mobilenet_v2_tf, MOBILENET, mean=(128 / 255,) * 3, std=(128 / 255,) * 3
    ),
}
