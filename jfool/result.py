"""What attacks return."""

from typing import Any

from jax import Array

from jfool.base import pytree


@pytree
class AttackResult:
    """What attacks found; every field has the leading axis N of the jobs.

    Where a job has an answer for each of several classes (`job.target [cells]`, an archive),
    images, confidence, prediction, success, genotype and history have a second axis of cells, and a
    job is stopped when `until` holds in all of them.

    The truths are computed anew, in float32 at the highest matmul precision, from the final images.

    Attributes:
      images: `[N, H, W, C]` in [0, 1].
      confidence: `[N]`, softmax probability of the target; untargeted, of the predicted class; NaN
        where the model's logits are NaN, or were for all that the search showed it.
      prediction: `[N]`, the predicted class; -1 where the confidence is NaN.
      success: `[N]`; targeted: the target is predicted and, if `until` asks for a confidence, has
        it; untargeted: the prediction is not the label. NaN logits are never a success.
      confidence_uint8, success_uint8: the same after rounding the images to 8 bits.
      stopped: `[N]`, whether `until` ended the job, judging by the logits of the search itself.
      num_queries: `[N]`, images shown to the model by the search, without asking for a gradient.
      num_gradients: `[N]`, images differentiated besides. Where budgets are compared, a gradient
        weighs three images.
      num_steps: `[N]`, generations or gradient steps taken.
      genotype: the encoding's own form of the images.
      notes: what else the attack tells of its search; None where there is nothing.
      history: `[N, num_steps + 1]` best fitness after each generation, the start population first,
        NaN after the job stopped; None unless asked for.
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
