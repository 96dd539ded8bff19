"""`bench attacks`: its ratios on made-up clocks, and its programs on a tiny network."""

import json
import time

import jax
import numpy as np
import pytest
from flax import nnx

from experiments.bench import attacks, pairs
from experiments.bench.attacks import Bench, Settings
from models import CNN


@pytest.fixture
def tiny(monkeypatch):
    """A tiny network."""

    def create(name, image_shape):
        return CNN(image_shape, 3, widths=(2, 2, 2), hidden=4, rngs=nnx.Rngs(0))

    monkeypatch.setattr(attacks, "create", create)
    return Settings("cnn", batch=4, steps=2, pairs=2)


class Clock:
    """Time that passes only inside the programs."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)

    def pass_(self, seconds):
        self.now += seconds


def test_a_ratio_is_a_median_over_pairs_divided_by_that_of_the_null(monkeypatch):
    """A machine that slows down by a tenth with each call, and a program that costs twice."""
    clock, speed = Clock(monkeypatch), [1.0]

    def other():
        clock.pass_(speed[0])
        speed[0] *= 1.1

    def one():
        seconds = 2 * speed[0]
        other(), clock.pass_(seconds / 2)
        return seconds

    ratio = pairs.over_null(one, other, 15)
    assert ratio.null == pytest.approx(1.21)
    assert ratio.value == pytest.approx(2 * (2 * 1.1) / (1 + 1.21) / 1.21)
    assert ratio.interval == pytest.approx((ratio.value, ratio.value))


def test_the_interval_holds_nine_of_ten_medians(monkeypatch):
    random = np.random.default_rng(1)
    clock = Clock(monkeypatch)
    inside = 0
    for _ in range(200):
        ratio = pairs.over_null(lambda: random.lognormal(0, 0.1), lambda: clock.pass_(1.0), 31)
        low, high = ratio.interval
        assert low <= ratio.value <= high
        inside += low <= 1 <= high
    assert 0.8 <= inside / 200 <= 0.98


def test_the_handwritten_programs_are_the_attacks(tiny):
    bench = Bench(tiny)
    by_hand = attacks.fgsm(bench.model, bench.images, bench.labels, 8 / 255)
    np.testing.assert_allclose(bench.perturb(bench.fgsm, 1), by_hand, atol=1e-6)
    moved = abs(bench.handwritten_pgd() - bench.images)
    assert 4 / 255 < moved.max() <= 8 / 255 + 1e-6


def test_one_line_of_json_names_every_ratio(tiny, capsys, monkeypatch):
    monkeypatch.setattr(Bench, "first_call_seconds", lambda _: {"pgd": 1.0})  # spares programs
    with jax.debug_key_reuse(False):  # the same call again and again
        attacks.main(tiny)
    (line,) = capsys.readouterr().out.splitlines()
    record = json.loads(line)
    for name in (
        "pgd_run_step_over_handwritten",
        "pgd_perturb_step_over_handwritten",
        "fgsm_perturb_over_handwritten",
        "run_fixed_over_forward",
    ):
        low, high = record["intervals"][name]
        assert low <= record[name] <= high
    assert record["first_call_seconds"] == {"pgd": 1.0}
    assert (record["network"], record["batch"]) == ("cnn", 4)
