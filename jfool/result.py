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
        NaN if the logits are NaN.
      prediction: `[N]`, the predicted class; -1 if the confidence is NaN.
      success: `[N]`. Targeted: the target is predicted, and `until`, if given, holds.
        Untargeted: a logit is larger than the label's, whose class was predicted for the image
        before the attack. In either case the image is inside the attack's constraint, if it has
        one. Neither a tie of logits nor NaN ever succeeds.
      success_rate: `[N]`, of a stochastic model the share of draws in which this holds; `success`
        is more than half, the confidence a mean, the prediction the most frequent one. Of any other
        model it is 0 or 1.
      clean_prediction: `[N]`, the class predicted for the image (or plain color) before the attack;
        None if the jobs have none.
      distances: how far the images are from those before the attack: "l0" in pixels, "l1", "l2",
        "linf", `[N]` each; None if the jobs have none.
      confidence_uint8, success_uint8: the same after rounding the images to 8 bits.
      stopped: `[N]`, whether `until` ended the job.
      num_queries: `[N]`, images that the search showed to the model without a gradient.
      num_gradients: `[N]`, images differentiated, not among the queries. In budgets a gradient
        counts as three images.
      num_zero_gradients: `[N]`, those of the gradients that were exactly zero in every component:
        the image has nowhere to go. `run` and `sweep` warn of jobs that failed for this.
      num_steps: `[N]`, generations or gradient steps taken.
      genotype: the images as the encoding represents them.
      notes: anything else that the attack reports; None for nothing.
      history: what each step told, such as `jfool.base.Info`, arrays `[N, num_steps + 1, ...]`, the
        start population first, or `[N, num_steps, ...]` with `keep="last"`; NaN (0 for integers)
        after the job ended. None unless asked for.
    """

    images: Array
    confidence: Array
    prediction: Array
    success: Array
    success_rate: Array
    clean_prediction: Array | None
    distances: dict[str, Array] | None
    confidence_uint8: Array
    success_uint8: Array
    stopped: Array
    num_queries: Array
    num_gradients: Array
    num_zero_gradients: Array
    num_steps: Array
    genotype: Any
    notes: Any
    history: Any
