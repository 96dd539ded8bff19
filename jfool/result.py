"""The result of a run."""

from typing import Any

from jax import Array

from jfool.base import pytree


@pytree
class AttackResult:
    """Results of attacks; every field has the leading axis N of the jobs.

    If a job has an answer for each of several classes (an archive, `job.target [cells]`), images,
    confidence, prediction, success, genotype and history have a second axis of cells, and `until`
    stops a job when it holds in all cells.

    Confidence, prediction and success are recomputed from the final images, in float32 at the
    highest matmul precision.

    Attributes:
      images: `[N, H, W, C]` in [0, 1].
      confidence: `[N]`, softmax probability of the target, or untargeted, of the predicted class.
        NaN if the logits are NaN, or were for every image of the search.
      prediction: `[N]`, the predicted class; -1 if the confidence is NaN.
      success: `[N]`. Targeted: the target is predicted, and `until`, if given, holds.
        Untargeted: the prediction is not the label. NaN logits never succeed.
      confidence_uint8, success_uint8: the same after rounding the images to 8 bits.
      stopped: `[N]`, whether `until` ended the job, by the search's own logits.
      num_queries: `[N]`, images that the search showed to the model without a gradient.
      num_gradients: `[N]`, images differentiated, not among the queries. In budgets a gradient
        counts as three images.
      num_steps: `[N]`, generations or gradient steps taken.
      genotype: the images as the encoding represents them.
      notes: anything else that the attack reports; None for nothing.
      history: `[N, num_steps + 1]`, best fitness after each generation, the start population first,
        NaN after the job ended; None unless asked for.
    """

    images: Array
    confidence: Array
    prediction: Array
    success: Array
    confidence_uint8: Array
    success_uint8: Array
    stopped: Array
    num_queries: Array
    num_gradients: Array
    num_steps: Array
    genotype: Any
    notes: Any
    history: Array | None
