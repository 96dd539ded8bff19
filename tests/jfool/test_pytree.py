"""Parts are pytrees of their own kind: no two classes share a compiled program."""

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jfool
from jfool import penalties
from jfool.base import pytree, static
from tests.jfool.helpers import NUM_CLASSES, SHAPE

PARTS = [
    *(jfool.Linf(), jfool.L2(), jfool.L1(), jfool.L0()),
    *(penalties.L1(), penalties.GroupL1(), penalties.SmoothL1()),
    *(jfool.Confidence(), jfool.LogConfidence(), jfool.Logit(), jfool.Margin()),
    *(jfool.Untargeted(jfool.Margin()), jfool.Untargeted(jfool.LogConfidence())),
    *(jfool.PGD(SHAPE, NUM_CLASSES, constraint=norm) for norm in (jfool.Linf(), jfool.L2())),
    jfool.FGSM(SHAPE, NUM_CLASSES),
    jfool.Pixels(),
]


def test_the_structures_of_different_parts_differ():
    structures = [jax.tree.structure(part) for part in PARTS]
    for one, other in itertools.combinations(structures, 2):
        assert one != other


def test_no_class_runs_the_program_of_another():
    """Structures that were equal with different hashes shared a program now and then."""

    @jax.jit
    def number(part: Any) -> Any:
        return part()

    def part(i: int) -> Any:
        class Part:
            value: Any

            def __call__(self):
                return self.value * 0 + i

        return pytree(Part)(jnp.int32(0))

    assert [int(number(part(i))) for i in range(60)] == list(range(60))


@pytree
class Sample:
    name: str = static()
    numbers: Any
    more: Any = None


def test_fields_are_leaves_by_name_and_static_ones_are_structure():
    tree = Sample("a", {"x": np.zeros(2)}, 3)
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree.leaves_with_path(tree)]
    assert paths == [".numbers['x']", ".more"]
    assert jax.tree.structure(tree) != jax.tree.structure(Sample("b", {"x": np.zeros(2)}, 3))
    doubled = jax.tree.map(lambda leaf: 2 * leaf, tree)
    assert (doubled.name, doubled.more) == ("a", 6)
