"""Attack a trained LeNet on ten handwritten digits, in some twenty seconds.

The network and the digits come with jfool (`jfool.examples`). In each digit, a few pixels are
altered until the network takes it for another with a confidence of 90 %, or the steps run out.
"""

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pixels", type=int, default=15, help="altered at most (default: 15)")
    parser.add_argument("--steps", type=int, default=100, help="of the search (default: 100)")
    parser.add_argument("--seed", type=int, default=0, help="of the search (default: 0)")


def run(options: argparse.Namespace) -> int:
    import jax
    import numpy as np

    import jfool

    shape = (28, 28, 1)
    bounds = {"pixels": (1, shape[0] * shape[1]), "steps": (1, 2**31 - 1), "seed": (0, 2**32 - 1)}
    for name, (least, most) in bounds.items():
        if not least <= (value := getattr(options, name)) <= most:
            raise ValueError(f"--{name}: expected {least} to {most}, got {value!s:.60}")
    images, labels = jfool.examples.digits()

    model = jfool.examples.lenet()
    attack = jfool.GreedyFooling(
        shape, 10, max_k=options.pixels, objective=jfool.Untargeted(jfool.Margin())
    )
    jobs = jfool.SparseJob(label=labels, base=images, k=np.full(len(labels), options.pixels))
    result = jfool.run(
        jax.random.key(options.seed),
        attack,
        model,
        jobs,
        num_steps=options.steps,
        until=jfool.confident(0.9),
    )

    before = model(images).argmax(1)
    altered = (result.images != images).any(-1).sum((1, 2))
    print("digit  read as  after the attack  confidence  pixels altered  images shown")
    for i, label in enumerate(labels):
        print(
            f"{label:5}  {before[i]:7}  {result.prediction[i]:16}  {result.confidence[i]:10.0%}  "
            f"{altered[i]:14}  {result.num_queries[i]:12}"
        )
    fooled = (result.prediction != labels).sum()
    print(f"{fooled} of {len(labels)} digits are taken for another one")
    return 0
