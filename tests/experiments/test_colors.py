"""Base colours as they are typed."""

import pytest

from experiments.lab.colors import parse_colors


def test_names_levels_and_triples():
    colors = parse_colors(["black", "gray", "0.25", "0,1,0", "0.1,0.2,0.3"], 3, "cifar10")
    assert [color.name for color in colors] == ["black", "grey", "0.25", "green", "0.1,0.2,0.3"]
    assert colors[2].base(3) == (0.25, 0.25, 0.25)
    assert colors[4].base(3) == (0.1, 0.2, 0.3)


def test_grey_images_take_one_number():
    white, level = parse_colors(["white", "0.25"], 1, "mnist")
    assert white.base(1) == (1.0,)
    assert level.base(1) == (0.25,)


def test_a_named_colour_has_its_slot_whatever_stands_beside_it():
    alone = parse_colors(["white"], 3, "cifar10")[0].slot
    beside = parse_colors(["0.1", "red", "white"], 3, "cifar10")
    assert beside[2].slot == alone
    assert len({color.slot for color in beside}) == 3


def test_named_colours_change_no_slot_of_one_without_a_name():
    alone = [color.slot for color in parse_colors(["0.1", "0.2"], 3, "cifar10")]
    beside = parse_colors(["white", "0.1", "red", "blue", "0.2"], 3, "cifar10")
    assert [beside[1].slot, beside[4].slot] == alone


@pytest.mark.parametrize(
    ("texts", "channels", "message"),
    [
        ([], 3, "at least one, got none"),
        (["pink"], 3, "expected black, grey, .*got 'pink'"),
        (["1.5"], 3, "got '1.5'"),
        (["nan"], 3, "got 'nan'"),
        (["0,1"], 3, "got '0,1'"),
        (["red"], 1, "mnist has grey images, got 'red'"),
        (["white", "1,1,1"], 3, "got 'white' and '1,1,1', the same color"),
        ([str(i / 100) for i in range(1, 30)], 3, "at most 26 that have no name, got 29"),
    ],
)
def test_what_is_no_colour_is_refused(texts, channels, message):
    with pytest.raises(ValueError, match=f"colors: .*{message}"):
        parse_colors(texts, channels, "mnist")
