"""The paper's figures, as far as they vouch for each other."""

import pytest

from experiments.kumano2020 import published
from experiments.kumano2020.published import ARCHITECTURES, CIFAR10, CLASSES, COLORS, KS

NETWORKS = list(CIFAR10.values())


@pytest.mark.parametrize("network", NETWORKS, ids=list(CIFAR10))
def test_every_table_has_ten_percentages_for_each_colour(network):
    assert list(network.mean) == list(KS)
    for cells in (network.plain, *network.mean.values()):
        assert [len(row) for row in cells] == [10] * 6
        assert all(x is None or 0 <= x <= 100 for row in cells for x in row)


@pytest.mark.parametrize("network", NETWORKS, ids=list(CIFAR10))
def test_confidences_of_a_colour_sum_to_a_hundred_but_for_what_rounding_down_takes(network):
    for row in network.plain:
        assert 90 < sum(row) <= 100


@pytest.mark.parametrize("network", NETWORKS, ids=list(CIFAR10))
def test_no_single_digit_is_kept_that_lost_its_other_one(network):
    for i, color in enumerate(COLORS):
        for j, name in enumerate(CLASSES):
            before = network.plain[i][j]
            for k in KS:
                x = network.mean[k][i][j]
                if x is None:
                    continue
                assert x > 9 or x >= before - 5, (network.title, k, color, name)
                before = max(before, x)


def test_tables_are_numbered_from_two_to_thirteen():
    assert [n for network in NETWORKS for n in network.tables.values()] == list(range(2, 14))


def test_what_the_text_of_the_paper_says_of_its_tables_is_there():
    vgg16 = CIFAR10["cifar_vgg16"]
    blue, car = COLORS.index("blue"), CLASSES.index("car")
    assert [vgg16.mean[k][blue][car] for k in KS] == [0, 0, 0, 0]
    plane = CLASSES.index("plane")
    assert (vgg16.plain[0][plane], vgg16.mean[5][0][plane]) == (0, 99)


def test_a_k_or_colour_that_the_paper_has_not_is_none():
    nin = CIFAR10["nin"]
    assert nin.means(2, ["black"]) == [[None] * 10]
    assert nin.means(1, ["0.3", "blue"]) == [[None] * 10, nin.mean[1][5]]
    assert nin.alone(["red", "0,0,0.5"]) == [nin.plain[3], [None] * 10]


@pytest.mark.parametrize("dataset", ["mnist", "fashion_mnist"])
def test_tables_14_and_15_have_three_bases_for_each_class(dataset):
    for fooled in ARCHITECTURES[dataset].values():
        assert [len(of_class) for of_class in fooled.best] == [3] * 10
    capsnet = ARCHITECTURES[dataset]["capsnet"].best
    assert max(max(of_class) for of_class in capsnet) <= 23  # of a softmax over lengths below one


def test_few_figures_are_lost():
    cells = [x for n in NETWORKS for of_k in n.mean.values() for row in of_k for x in row]
    assert len(cells) == 720
    assert sum(x is None for x in cells) == 49
    assert published.TABLE_OF == {"mnist": 14, "fashion_mnist": 15}
