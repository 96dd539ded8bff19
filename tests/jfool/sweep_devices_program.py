"""A sweep on four virtual devices: as lanes, and as one population; one JSON line about both.

python -m tests.jfool.sweep_devices_program FOLDER
"""

import json
import re
import sys

import jax
import numpy as np

from jfool.loop import Settings
from jfool.sweeps.ahead import compile_sweep
from jfool.sweeps.segment import make_mesh
from tests.jfool import sweep_program as program


def collectives(split: int) -> list[tuple[str, int]]:
    """Of the compiled segment: each operation with the numbers that it moves."""
    (_, attack, model, jobs), settings = program.arguments()
    mesh, until = make_mesh(jax.devices(), split), settings["until"]
    options = {"lanes": program.LANES, "settings": Settings(1024), "until": until, "mesh": mesh}
    text = compile_sweep(attack, model, jobs, **options).text
    names = (
        "all-gather|all-reduce|all-to-all|collective-permute|reduce-scatter|collective-broadcast"
    )
    found = re.findall(rf"= (.*?) ({names})(?:-start)?\(", text)
    return [
        (name, sum(size(shape) for shape in re.findall(r"\[([\d,]*)\]", shapes)))
        for shapes, name in found
    ]


def size(shape: str) -> int:
    return int(np.prod([int(n) for n in shape.split(",") if n], initial=1))


def main(folder: str) -> None:
    program.sweep(f"{folder}/lanes")
    program.sweep(f"{folder}/split", split=4)
    program.sweep(f"{folder}/both", split=2)
    found = {split: collectives(split) for split in (1, 4)}
    print(json.dumps({"devices": len(jax.devices()), "collectives": found}))


if __name__ == "__main__":
    main(*sys.argv[1:])
