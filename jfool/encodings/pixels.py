"""The identity encoding: the genotype is the image."""

from typing import Any

from jfool.base import Image, pytree


@pytree
class Pixels:
    """Genotype = image `[H, W, C]` in [0, 1]."""

    def decode(self, job: Any, genotype: Image) -> Image:
        del job
        return genotype
