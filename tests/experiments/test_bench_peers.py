"""The parts of `bench peers` that need no peer; the peers themselves are measured, not tested."""

import sys

import jax
import numpy as np
import pytest

from experiments.bench import peer_net, peer_report, peers
from experiments.bench.peer_attacks import Work, jfool_attack
from experiments.bench.peers import Settings
from experiments.lab.settings import check


def test_single_images_are_counted_apart_from_populations():
    work = Work()
    for batch in (128, 128, 128, 16, 1, 400):
        work.count(batch)
    assert (work.candidates, work.checks) == (800, 1)


def test_a_generation_is_the_time_of_one_population_of_one_image():
    # 3 images x (1 + 4) populations of 400 in 6 s: 400 ms each, checks being part of the time.
    assert Work(6.0, 3 * 5 * 400, checks=15).generation_ms(400) == pytest.approx(400)
    assert Work(6.0, 3 * 5 * 400).generation_ms(200) == pytest.approx(200)


def test_ratios_are_medians_over_the_repeats_not_ratios_of_medians():
    ours, theirs = (1.0, 2.0, 4.0), (3.0, 10.0, 8.0)  # ratios 3, 5, 2; of medians 8 / 2 = 4
    works = {
        "jfool": [Work(seconds, 400) for seconds in ours],
        "art": [Work(seconds, 400) for seconds in theirs],
    }
    figures = peer_report.summary(works, 400)
    assert figures["art_over_jfool"] == pytest.approx(3)
    assert figures["art_over_jfool_range"] == pytest.approx([2, 5])
    assert figures["art_ms"] == pytest.approx(8000)
    assert "jfool_over_jfool" not in figures


def test_expected_evaluations_hold_the_start_population_and_arts_own_population():
    works = {name: [Work(1.0, 1)] for name in ("jfool", "art", "torchattacks")}
    expected = peer_report.evaluations(works, 3, 200, 9)["evaluations_expected"]
    assert expected == {"jfool": 6000, "art": 12000, "torchattacks": 6000}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"images": 0}, "images: expected a number of at least 1, got 0"),
        ({"generations": 0}, "generations: expected a number of at least 1, got 0"),
        ({"repeats": 0}, "repeats: expected a number of at least 1, got 0"),
        ({"width": 0}, "width: expected a number of at least 1, got 0"),
        ({"population": 401}, "population: expected a multiple of 5"),
        ({"population": 0}, "population: expected a multiple of 5"),
    ],
)
def test_settings_that_cannot_work_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        check(Settings(**settings))


def test_a_result_file_needs_a_place(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="out: expected a folder to write to"):
        check(Settings(out=tmp_path / "file" / "peers.json"))


def test_a_missing_peer_ends_with_one_sentence_that_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "art", None)
    with pytest.raises(ImportError, match=r'pip install "jfool\[peers\]"') as stopped:
        peers.require_peers()
    assert "expected art to be installed" in str(stopped.value)
    assert "\n" not in str(stopped.value)


def test_weights_and_images_are_the_same_every_time():
    for first, second in (
        (peer_net.make_weights(), peer_net.make_weights()),
        ({"images": peer_net.make_images(2)}, {"images": peer_net.make_images(2)}),
    ):
        assert all((first[name] == second[name]).all() for name in first)


def test_no_pixel_of_any_extreme_color_changes_the_class():
    weights, (image,) = peer_net.make_weights(), peer_net.make_images(1)
    forward = jax.jit(peer_net.apply)
    colors = np.array(np.meshgrid([0, 1], [0, 1], [0, 1]), np.float32).reshape(3, 8).T
    for color in colors:
        painted = np.repeat(image[None], 1024, axis=0)
        pixels = np.arange(1024)
        painted[pixels, pixels // 32, pixels % 32] = color
        assert (np.asarray(forward(weights, painted)).argmax(1) == peer_net.LABEL).all()


def test_jfool_evaluates_the_population_once_more_than_it_has_generations():
    attack = jfool_attack(peer_net.make_weights(), peer_net.make_images(2), population=10)
    work = attack(3)
    assert (work.candidates, work.checks) == (2 * 10 * 4, 0)
    assert work.seconds > 0


def test_the_torch_copy_computes_the_same_logits():
    pytest.importorskip("torch", reason="needs the extra jfool[peers]")
    difference = peers.check_copies(peer_net.make_weights(), peer_net.make_images(3))
    assert difference <= 1e-4
