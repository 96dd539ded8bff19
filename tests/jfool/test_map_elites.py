"""The archive against a dictionary in NumPy, and what its record tells."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jfool
from jfool.base import pytree
from jfool.search.map_elites import MAPElites, ancestors
from tests.jfool.helpers import NUM_CLASSES, SHAPE, Linear, task, unchecked, weights

CELLS, CLASSES = 6, 3


@pytree
class Numbered:
    """Genotypes are numbers; children of generation g are 100 g + their place."""

    def start(self, key, size):
        del key
        return jnp.arange(size)

    def vary(self, key, first, second, generation):
        del key
        return 100 * generation + jnp.arange(len(first) + len(second))


def random_scores(children):
    """Coarse, so that there are ties; some are NaN; the same for the same child."""
    seeds = np.asarray(children).tolist()
    rows = [np.random.default_rng(seed).integers(0, 12, CELLS + CLASSES) for seed in seeds]
    scores = np.array(rows, np.float32)[:, :CELLS] / 12
    scores[scores == 5 / 12] = np.nan
    return scores, np.array(rows, np.float32)[:, CELLS:]


def as_logits(children):
    """The scores of all cells, and three more numbers."""
    shape = jax.ShapeDtypeStruct((len(children), CELLS + CLASSES), jnp.float32)
    return jax.pure_callback(lambda c: np.concatenate(random_scores(c), axis=1), shape, children)


def archive_task(score=None, cells=CELLS):
    job = jfool.EvolutionJob(np.arange(cells))
    objective = lambda logits, cell: logits[:, cell]  # noqa: E731
    return task(Numbered(), CELLS + CLASSES, score, job=job, objective=objective)


@pytest.mark.parametrize("seed", range(3))
def test_the_archive_is_that_of_a_dictionary(seed):
    search, archive = MAPElites(8, record=30), {}
    step = jax.jit(lambda key, state: search.step(key, archive_task(as_logits), state)[0])
    state = search.init(jax.random.key(seed), archive_task())
    wins = np.full((30, CELLS), -2)
    for generation in range(30):
        children, parents = np.asarray(state.children), np.asarray(state.parents)
        scores, logits = random_scores(children)
        for child, parent, score, logit in zip(children, parents, scores, logits, strict=True):
            for cell in range(CELLS):  # one after the other, as the original code offers them
                if score[cell] > archive.get(cell, (-np.inf,))[0]:
                    archive[cell] = score[cell], child, logit
                    wins[generation, cell] = parent
        state = step(jax.random.key(generation), state)
        fitness, genotypes = np.asarray(state.fitness), np.asarray(state.genotypes)
        for cell, (score, child, logit) in archive.items():
            assert fitness[cell] == score
            assert genotypes[cell] == child
            np.testing.assert_array_equal(np.asarray(state.logits)[cell, CELLS:], logit)
        assert (np.asarray(state.parents) >= 0).all()
    np.testing.assert_array_equal(state.lineage.wins, wins)
    np.testing.assert_array_equal(state.lineage.fitness[-1], state.fitness)
    last = np.array([np.flatnonzero(column != -2).max() for column in wins.T])
    np.testing.assert_array_equal(state.lineage.born, last)
    np.testing.assert_array_equal(state.lineage.parent, wins[last, range(CELLS)])


def test_parents_are_drawn_uniformly_from_the_occupied_cells():
    occupied = jnp.array([True, False, True, True, False, True])
    first, second = MAPElites(40_000)._pairs(jax.random.key(0), occupied)
    for drawn in (first, second):
        counts = np.bincount(drawn, minlength=6)
        np.testing.assert_array_equal(counts[[1, 4]], 0)
        np.testing.assert_allclose(counts[[0, 2, 3, 5]] / 20_000, 0.25, atol=0.015)
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(0, abs=0.03)


def test_ancestors_are_followed_through_the_record():
    wins = np.array([[-1, -1, -2], [-2, 0, 1], [1, -2, -2], [-2, 2, 0]])
    assert ancestors(wins, 1, 3) == [(1, 3), (2, 1), (1, 0)]
    assert ancestors(wins, 2, 3) == [(2, 3), (0, 2), (1, 1), (0, 0)]
    assert ancestors(wins, 0, 1) == [(0, 0)]
    with pytest.raises(ValueError, match="cell: expected one that was occupied, got 2"):
        ancestors(wins, 2, 0)
    with pytest.raises(ValueError, match="generation: expected 0 to 3, got 4"):
        ancestors(wins, 0, 4)


ATTACK = jfool.EvolvedFooling(
    jfool.DirectPixels(SHAPE, "rgb"), NUM_CLASSES, MAPElites(16, record=5)
)
JOBS = jfool.EvolutionJob(np.tile(np.arange(NUM_CLASSES), (3, 1)))


def run(attack=ATTACK, jobs=JOBS, **options):
    model = Linear(jnp.asarray(weights(5)))
    return jfool.run(jax.random.key(0), attack, model, jobs, **{"num_steps": 9, **options})


def test_a_run_stops_when_every_cell_meets_the_criterion():
    result = run(num_steps=60, until=jfool.confident(0.6))
    assert result.stopped.all()
    assert result.success.all()
    almost = run(num_steps=int(result.num_steps.max()) - 1, until=jfool.confident(0.6))
    assert not np.asarray(almost.success).all()
    assert np.asarray(almost.success).any()


def test_history_and_record_tell_the_same_of_every_cell():
    result = run(history=True)
    assert result.history.fitness.shape == (3, 10, NUM_CLASSES)
    np.testing.assert_array_equal(result.history.fitness[:, :5], result.notes.fitness)
    assert (np.diff(result.history.fitness, axis=1) >= 0).all()
    assert result.images.shape == (3, NUM_CLASSES, *SHAPE)


def test_an_archive_beats_the_evolution_for_one_class_at_nothing_else():
    """A single cell is an archive too; its champion is that of a larger archive or better."""
    single = run(jobs=jfool.EvolutionJob(np.array([[2]])), num_steps=30)
    assert single.confidence.shape == (1, 1)
    assert single.confidence[0, 0] > 0.5


def test_genes_in_bytes_paint_what_they_say():
    encoding = jfool.DirectPixels(SHAPE, "rgb", "uint8")
    result = run(dataclasses.replace(ATTACK, encoding=encoding))
    assert result.genotype.dtype == jnp.uint8
    np.testing.assert_array_equal(np.round(result.images * 255), result.genotype)
    np.testing.assert_array_equal(result.confidence, result.confidence_uint8)


def test_copies_of_bytes_are_exact():
    encoding = jfool.DirectPixels(
        SHAPE, "rgb", "uint8", jfool.PolynomialMutation(0.0), jfool.NoCrossover()
    )
    parents = encoding.start(jax.random.key(0), 50)
    children = encoding.vary(jax.random.key(1), parents[:25], parents[25:], jnp.int32(0))
    np.testing.assert_array_equal(children, parents)


def test_a_sweep_that_keeps_no_record_has_no_column_for_it(tmp_path):
    model = Linear(jnp.asarray(weights(5)))
    attack = dataclasses.replace(ATTACK, search=MAPElites(16))
    results = jfool.sweep(
        jax.random.key(0), attack, model, JOBS, num_steps=2, lanes=3, folder=tmp_path / "r"
    )
    expected = run(attack, num_steps=2)
    np.testing.assert_array_equal(results.column("notes.born"), expected.notes.born)
    np.testing.assert_array_equal(results.column("confidence"), expected.confidence)
    np.testing.assert_array_equal(results.genotypes(attack, jfool.EvolutionJob), expected.genotype)
    np.testing.assert_array_equal(results.images(attack, jfool.EvolutionJob), expected.images)
    assert "notes.wins" not in results.table.column_names
    assert jfool.read_sweep(tmp_path / "r").table.equals(results.table)


@pytest.mark.slow
def test_a_sweep_of_networks_that_grow_finds_what_run_finds(tmp_path):
    model = Linear(jnp.asarray(weights(5)))
    attack = dataclasses.replace(
        ATTACK, encoding=jfool.CPPN(SHAPE, "hls", max_nodes=12, max_connections=20)
    )
    results = jfool.sweep(
        jax.random.key(0),
        attack,
        model,
        JOBS,
        num_steps=9,
        lanes=2,
        chunk=16,
        folder=tmp_path / "r",
    )
    expected = run(attack, chunk=16)
    np.testing.assert_allclose(results.column("confidence"), expected.confidence, rtol=1e-5)
    np.testing.assert_array_equal(results.column("notes.born"), expected.notes.born)
    jax.tree.map(
        np.testing.assert_array_equal,
        results.genotypes(attack, jfool.EvolutionJob),
        jax.tree.map(np.asarray, expected.genotype),
    )
    np.testing.assert_array_equal(results.images(attack, jfool.EvolutionJob), expected.images)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encoding": jfool.Pixels()}, "encoding: expected one such as"),
        ({"encoding": jfool.DirectPixels}, "encoding: expected one such as .* got <class"),
        (
            {"search": jfool.DifferentialEvolution()},
            r"search: expected one such as jfool\.MAPElites",
        ),
        ({"objective": jfool.Confidence}, "objective: expected one such as"),
        ({"num_classes": 0}, "num_classes: expected a whole number of at least 2"),
        ({"objective": jfool.Untargeted()}, "objective: expected a targeted one"),
    ],
    ids=str,
)
def test_settings_that_cannot_work_are_refused(change, message):
    with unchecked(), pytest.raises((TypeError, ValueError), match=message):
        dataclasses.replace(ATTACK, **change).check(JOBS)


def test_operators_that_are_none_are_refused():
    for operator in ("mutation", "crossover"):
        with unchecked(), pytest.raises(TypeError, match=f"{operator}: expected one .* got None"):
            jfool.DirectPixels(SHAPE, "rgb", **{operator: None}).check()
    with unchecked(), pytest.raises(TypeError, match=r"growth: expected one such as .* got None"):
        jfool.CPPN(SHAPE, "rgb", growth=None).check()
    with unchecked(), pytest.raises(ValueError, match="colors: expected one of"):
        jfool.DirectPixels(SHAPE, ["grey"])


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (np.arange(4), r"jobs\.target: expected integers \[N, cells\], got int64 \(4,\)"),
        (np.zeros((2, 3)), r"jobs\.target: expected integers \[N, cells\], got float64"),
        (np.array([[0, 4]]), "jobs.target: expected classes 0 to 3, got 0 to 4"),
        (np.array([[0, 1], [2, 2]]), "jobs.target: expected different classes in a run"),
    ],
    ids=str,
)
def test_jobs_that_cannot_work_are_refused(target, message):
    with pytest.raises((TypeError, ValueError), match=message):
        run(jobs=jfool.EvolutionJob(target))


def test_jobs_of_another_attack_are_refused():
    with (
        unchecked(),
        pytest.raises(TypeError, match=r"jobs: expected jfool\.EvolutionJob, got dict"),
    ):
        ATTACK.check({"target": np.zeros((1, 2), int)})


def only_black(w, images):
    """A model that breaks on every image but the black one, which it takes for class 0."""
    black = (images == 0).all(axis=(1, 2, 3))
    return jnp.where(black[:, None], jnp.array([9.0, 0, 0, 0]) + w, jnp.nan)


def test_a_cell_that_nobody_won_is_no_success():
    model = jfool.wrap(only_black, jnp.zeros(()))
    record = jfool.MAPElites(4, record=3)
    attack = jfool.EvolvedFooling(jfool.DirectPixels(SHAPE, "rgb"), NUM_CLASSES, record)
    result = jfool.run(jax.random.key(0), attack, model, JOBS, num_steps=2)
    assert (result.notes.born == -1).all()
    assert not result.success.any()
    assert not result.success_uint8.any()
    assert np.isnan(result.confidence).all()
    assert (result.prediction == -1).all()


def test_children_of_an_empty_archive_descend_from_nobody():
    """Two generations in which all scores are NaN, and then one without."""
    search = MAPElites(4, record=3)
    state = search.init(jax.random.key(0), archive_task(cells=2))
    for generation in range(3):
        logits = jnp.full((4, CELLS + CLASSES), np.nan if generation < 2 else 1.0)
        found = archive_task(lambda children, logits=logits: logits, cells=2)
        state, _ = search.step(jax.random.key(generation), found, state)
    np.testing.assert_array_equal(state.lineage.wins, [[-2, -2], [-2, -2], [-1, -1]])
    assert ancestors(np.asarray(state.lineage.wins), 1, 2) == [(1, 2)]
    assert (state.parents >= 0).all()


@pytest.mark.parametrize(
    ("wins", "cell", "message"),
    [
        (np.zeros((2, 3, 4), int), 0, r"wins: expected the record .* got shape \[2, 3, 4\]"),
        (np.zeros((0, 4), int), 0, "wins: expected the record"),
        (np.full((3, 4), -1), 4, "cell: expected 0 to 3, got 4"),
        (np.full((3, 4), -1), -1, "cell: expected 0 to 3, got -1"),
    ],
    ids=str,
)
def test_records_without_an_answer_are_refused(wins, cell, message):
    with unchecked(), pytest.raises(ValueError, match=message):
        ancestors(wins, cell, 0)


def test_an_odd_population_is_refused():
    with pytest.raises(ValueError, match="population_size: expected an even number"):
        MAPElites(7)
