"""An attack as one of several that run one after another."""

import dataclasses
import re
from typing import Any

import numpy as np
from jaxtyping import Int

from jfool.arguments import check_attack
from jfool.attacks.in_turn import InTurn
from jfool.attacks.perturbing import PerturbationJob
from jfool.metrics.robustness import CLEAN
from jfool.numbers import brief, check_whole, is_whole

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,59}")


@dataclasses.dataclass(frozen=True)
class Stage:
    """One attack of a sequence, for `jfool.robust_accuracy`.

    Attributes:
      name: in results and folders, such as "apgd-ce".
      attack: such as `jfool.PGD(...)`.
      num_steps: as for `jfool.run`.
      num_targets: how many classes the attack heads for, those with the largest logits but for the
        label: 1 for attacks with one `job.target`, of `InTurn` one a turn; 0 for none.
    Raises:
      TypeError, ValueError: one of them cannot work.
    """

    name: str
    attack: Any
    num_steps: int
    num_targets: int = 0

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and _NAME.fullmatch(self.name)) or self.name == CLEAN:
            raise ValueError(
                f'name: expected letters, digits, "_", ".", "+" and "-", and not "{CLEAN}", got '
                f"{brief(self.name)}"
            )
        check_attack(self.attack)
        check_whole("num_steps", self.num_steps, 0)
        most = self.attack.num_turns if isinstance(self.attack, InTurn) else 1
        if not is_whole(self.num_targets, 0) or self.num_targets not in (0, most):
            raise ValueError(
                f"num_targets: expected 0 or {most} for {brief(self.attack)}, got "
                f"{brief(self.num_targets)}"
            )

    def jobs(self, jobs: PerturbationJob, others: Int[np.ndarray, "N M"]) -> PerturbationJob:
        """The jobs with the targets of this attack.

        Args:
          others: the classes other than the label, the likeliest first.
        """
        if not self.num_targets:
            return jobs
        targets = others[:, : self.num_targets].astype(np.int32)
        in_turn = isinstance(self.attack, InTurn)
        return dataclasses.replace(jobs, target=targets if in_turn else targets[:, 0])
