"""The victim networks (Flax NNX): their architectures, data, training and weights."""

from models.alexnet import AlexNet
from models.allconv import AllConv
from models.caffenet import CaffeNet
from models.capsnet import CapsNet
from models.cards import read_card
from models.cifar_resnet import CifarResNet
from models.cnn import CNN
from models.datasets import (
    DATASETS,
    Dataset,
    class_names,
    image_shape,
    load_dataset,
    read_class_names,
)
from models.lenet import LeNet
from models.loading import load
from models.mlp import MLP
from models.mobilenet import MobileNetV2
from models.network import Network, in_precision
from models.nin import NiN
from models.recipes import SGD, Adam, CaffeSGD, Recipe, recipe_for
from models.resnet import ResNet
from models.squeezenet import SqueezeNet
from models.ten_crop import TenCrop
from models.trained_networks import trained, weights_path
from models.training import accuracy, train
from models.training_checkpoint import TrainingCheckpoint
from models.vgg import VGG16
from models.weights import restore, save
from models.wong import Wong
from models.zoo import ARCHITECTURES, Architecture, create, outline

__all__ = [
    "ARCHITECTURES",
    "CNN",
    "DATASETS",
    "MLP",
    "SGD",
    "VGG16",
    "Adam",
    "AlexNet",
    "AllConv",
    "Architecture",
    "CaffeNet",
    "CaffeSGD",
    "CapsNet",
    "CifarResNet",
    "Dataset",
    "LeNet",
    "MobileNetV2",
    "Network",
    "NiN",
    "Recipe",
    "ResNet",
    "SqueezeNet",
    "TenCrop",
    "TrainingCheckpoint",
    "Wong",
    "accuracy",
    "class_names",
    "create",
    "image_shape",
    "in_precision",
    "load",
    "load_dataset",
    "outline",
    "read_card",
    "read_class_names",
    "recipe_for",
    "restore",
    "save",
    "train",
    "trained",
    "weights_path",
]
