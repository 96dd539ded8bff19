"""The victim networks (Flax NNX): their architectures, data, training and weights."""

from models.cnn import CNN
from models.datasets import DATASETS, Dataset, load_dataset
from models.lenet import LeNet
from models.mlp import MLP
from models.network import Network
from models.recipes import SGD, Adam, CaffeSGD, Recipe
from models.training import accuracy, train
from models.weights import load, read_card, save
from models.zoo import ARCHITECTURES, create, recipe_for, trained

__all__ = [
    "ARCHITECTURES",
    "CNN",
    "DATASETS",
    "MLP",
    "SGD",
    "Adam",
    "CaffeSGD",
    "Dataset",
    "LeNet",
    "Network",
    "Recipe",
    "accuracy",
    "create",
    "load",
    "load_dataset",
    "read_card",
    "recipe_for",
    "save",
    "train",
    "trained",
]
