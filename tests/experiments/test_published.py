"""The numbers of Kumano et al. (2020), as far as they vouch for each other."""

import numpy as np
import pytest

import models
from experiments import lab
from experiments.kumano2020.architectures import PAPER as ARCHITECTURES
from experiments.kumano2020.de_tables import KS, PAPER
from experiments.kumano2020.orderings import COLORS

CLASSES = models.class_names("cifar10")


def plain(network):
    return lab.numbers(PAPER[network]["plain"])


def mean(network, k):
    return lab.numbers(PAPER[network][f"mean_{k}"])


@pytest.mark.parametrize("network", PAPER)
def test_every_table_has_ten_percentages_for_each_color(network):
    for cells in (plain(network), *(mean(network, k) for k in KS)):
        assert cells.shape == (6, 10)
        assert np.nanmin(cells) >= 0
        assert np.nanmax(cells) <= 100


@pytest.mark.parametrize("network", PAPER)
def test_confidences_of_a_color_sum_to_a_hundred_but_for_what_rounding_down_takes(network):
    sums = plain(network).sum(1)
    assert ((sums > 90) & (sums <= 100)).all()


@pytest.mark.parametrize("network", PAPER)
def test_no_single_digit_is_kept_that_lost_its_other_one(network):
    before = plain(network)
    for k in KS:
        found = mean(network, k)
        known = ~np.isnan(found)
        assert ((found > 9) | (found >= before - 5))[known].all(), (network, k)
        before = np.fmax(before, found)


def test_tables_are_numbered_from_two_to_thirteen():
    assert [paper["first_table"] for paper in PAPER.values()] == [2, 6, 10]


def test_what_the_text_of_the_paper_says_of_its_tables_is_there():
    blue, car, plane = COLORS.index("blue"), CLASSES.index("automobile"), 0
    assert [mean("cifar_vgg16", k)[blue, car] for k in KS] == [0, 0, 0, 0]
    assert (plain("cifar_vgg16")[0, plane], mean("cifar_vgg16", 5)[0, plane]) == (0, 99)


def test_a_k_or_color_that_the_paper_has_not_is_unknown():
    nin = PAPER["nin"]
    assert np.isnan(lab.numbers_of(nin, "mean_2", COLORS, ["black"])).all()
    found = lab.numbers_of(nin, "mean_1", COLORS, ["0.3", "blue"])
    assert np.isnan(found[0]).all()
    np.testing.assert_array_equal(found[1], mean("nin", 1)[5])


@pytest.mark.parametrize("dataset", ["mnist", "fashion_mnist"])
def test_tables_14_and_15_have_three_bases_for_each_class(dataset):
    for fooled in ARCHITECTURES[dataset].values():
        assert lab.numbers(fooled["best"]).shape == (10, 3)
    capsnet = lab.numbers(ARCHITECTURES[dataset]["capsnet"]["best"])
    assert capsnet.max() <= 23  # of a softmax over lengths below one


def test_few_numbers_are_lost():
    cells = np.array([mean(network, k) for network in PAPER for k in KS])
    assert cells.size == 720
    assert np.isnan(cells).sum() == 49
