"""What attacks share that are made of another attack."""

from typing import Any


class Wrapping:
    """The properties of an attack whose field `attack` has them too."""

    @property
    def image_shape(self: Any) -> tuple[int, int, int]:
        return self.attack.image_shape

    @property
    def num_classes(self: Any) -> int:
        return self.attack.num_classes

    @property
    def targeted(self: Any) -> bool:
        return self.attack.targeted

    @property
    def images_at_once(self: Any) -> int:
        return self.attack.images_at_once

    @property
    def constraint(self: Any) -> Any:
        return getattr(self.attack, "constraint", None)

    @property
    def encoding(self: Any) -> Any:
        return getattr(self.attack, "encoding", None)
