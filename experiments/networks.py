"""Lists the victim networks: their inputs, classes, sizes and layers.

`--name` shows every layer of one network, with the shape of its activation: the names that
`features(images, layer)` takes.
"""

import math
from typing import Annotated

import jax
import jax.numpy as jnp
from flax import nnx
from rich.console import Console
from rich.table import Table

import models
from experiments import lab
from experiments.lab.record import print_json


@lab.settings
class Settings:
    # show the layers of this one
    name: Annotated[str, lab.one_of(models.ARCHITECTURES)] | None = None


def main(settings: Settings) -> None:
    """Prints a table; the last line on standard output is JSON."""
    if settings.name is None:
        _all()
    else:
        _one(settings.name)


def _all() -> None:
    table = Table(box=None)
    for heading in ("network", "images", "classes", "parameters", "layers", "attacked in"):
        table.add_column(heading)
    record = {}
    for name, architecture in models.ARCHITECTURES.items():
        model = models.outline(name)
        num_parameters = _num_parameters(model)
        record[name] = {
            "image_shape": model.image_shape,
            "num_classes": model.num_classes,
            "num_parameters": num_parameters,
            "layers": model.layers,
        }
        shape = " x ".join(map(str, model.image_shape))
        sizes = (str(model.num_classes), f"{num_parameters:,}", str(len(model.layers)))
        table.add_row(name, shape, *sizes, architecture.papers)
    Console(width=120).print(table)
    print_json({"experiment": "networks", "networks": record})


def _one(name: str) -> None:
    model = models.outline(name)
    images = jax.ShapeDtypeStruct((1, *model.image_shape), jnp.float32)
    features = nnx.eval_shape(lambda model, images: dict(model.walk(images)), model, images)
    shapes = {layer: features[layer].shape[1:] for layer in model.layers}
    table = Table(box=None)
    table.add_column("layer")
    table.add_column("activation")
    for layer, shape in shapes.items():
        table.add_row(layer, " x ".join(map(str, shape)))
    Console(width=120).print(table)
    print_json({"experiment": "networks", "name": name, "layers": shapes})


def _num_parameters(model: models.Network) -> int:
    parameters = nnx.to_flat_state(nnx.state(model, nnx.Param))
    return sum(math.prod(variable.shape) for _, variable in parameters)
