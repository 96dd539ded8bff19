"""What the report covers: every figure and table of the papers that an experiment here makes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Item:
    """
    name: of the section.
    title: one line.
    source: what it reproduces.
    command: that makes the section at the paper's full settings.
    """

    name: str
    title: str
    source: str
    command: str


_RUN = "python -m experiments"


def _table(network: str, title: str, source: str, weights: bool = False) -> Item:
    spec = f"{network}=FILE" if weights else network
    return Item(
        f"de_tables_{network}",
        f"SFIs by differential evolution on CIFAR-10: {title}",
        f"paper 000, {source}",
        f"{_RUN} de_tables paper --network {spec}",
    )


_LIKE = "as tables 2 to 5, on a network that it did not attack"

AGENDA = (
    Item(
        "table1",
        "Accuracies of the attacked networks",
        "paper 000, table 1",
        f"{_RUN} table1 --out docs/results/table1_DATASET.json --datasets DATASET",
    ),
    Item("theory", "Existence of SFIs", "paper 000, theorems 1 to 3", f"{_RUN} theory paper"),
    _table("cifar_vgg16", "VGG16", "tables 2 to 5, figures 4, 5"),
    _table("nin", "NiN", "tables 6 to 9, figure 5"),
    _table("cifar_resnet50", "ResNet50", "tables 10 to 13, figure 5"),
    _table("cifar_resnet20", "ResNet20", _LIKE, weights=True),
    _table("cifar_resnet32", "ResNet32", _LIKE, weights=True),
    _table("cifar_resnet44", "ResNet44", _LIKE, weights=True),
    Item(
        "architectures_mnist",
        "Which architecture SFIs fool most easily: MNIST",
        "paper 000, table 14",
        f"{_RUN} architectures paper --dataset mnist",
    ),
    Item(
        "architectures_fashion_mnist",
        "Which architecture SFIs fool most easily: Fashion-MNIST",
        "paper 000, table 15",
        f"{_RUN} architectures paper --dataset fashion_mnist",
    ),
    Item(
        "imagenet",
        "5-SFIs for the classes of ImageNet",
        "paper 000, figure 6",
        f"{_RUN} imagenet paper --network resnet50=FILE",
    ),
    Item(
        "centipede",
        "The grey centipede of ten pixels",
        "paper 000, figure 1",
        f"{_RUN} centipede paper --network resnet50=FILE",
    ),
    Item(
        "deep_features",
        "SFIs among natural images in deep layers",
        "paper 000, figure 7",
        f"{_RUN} deep_features paper",
    ),
    Item(
        "inversion",
        "SFIs by inversion of deep features",
        "paper 000, figures 8, 9",
        f"{_RUN} inversion paper",
    ),
    Item(
        "heat_maps",
        "Where the altered pixels lie",
        "paper 000, figure 10",
        f"{_RUN} heat_maps paper",
    ),
    Item(
        "defence",
        "Retraining with SFIs as a class of their own",
        "paper 000, tables 16, 17",
        f"{_RUN} defence paper",
    ),
    Item(
        "transfer",
        "SFIs of one network on another",
        "paper 000, table 18",
        f"{_RUN} transfer paper",
    ),
    Item(
        "one_pixel_mnist",
        "One-pixel attack on MNIST",
        "paper 004, one-pixel attack, on networks that it did not attack",
        f"{_RUN} one_pixel paper --dataset mnist --networks cnn",
    ),
    Item(
        "one_pixel_cifar10",
        "One-pixel attack on CIFAR-10",
        "paper 004, one-pixel attack",
        f"{_RUN} one_pixel paper",
    ),
    Item(
        "evolved_mnist",
        "Evolved fooling images on MNIST",
        "paper 001, figures 4, 5 and S2",
        f"{_RUN} evolved_mnist paper",
    ),
    Item(
        "evolved_imagenet",
        "Evolved fooling images for the classes of ImageNet",
        "paper 001, figures 1 and 6 to 10",
        f"{_RUN} evolved_imagenet paper --network caffenet=FILE",
    ),
    Item(
        "nearest_images",
        "Training images nearest to evolved ones",
        "paper 001, figure 15",
        f"{_RUN} nearest_images paper",
    ),
    Item(
        "evolved_transfer",
        "Evolved images of one training on another",
        "paper 001, table S1, figure S1",
        f"{_RUN} evolved_transfer paper",
    ),
    Item(
        "evolved_retraining",
        "Retraining with evolved images as a class of their own: MNIST",
        "paper 001, figure 11, table S2",
        f"{_RUN} evolved_retraining paper",
    ),
    Item(
        "evolved_natural_retraining",
        "Retraining with evolved images as a class of their own: natural images",
        "paper 001, figure 12",
        f"{_RUN} evolved_natural_retraining paper",
    ),
    Item(
        "ascent",
        "Fooling images by gradient ascent on an ImageNet network",
        "paper 001, figures 13 and S3 to S7",
        f"{_RUN} ascent paper --network caffenet=FILE",
    ),
    Item(
        "greedy",
        "Greedy choice of pixels instead of evolution",
        "of our own, beside paper 000",
        f"{_RUN} greedy paper --network cifar_resnet20=FILE --imagenet mobilenet_v2_tf=FILE",
    ),
)
