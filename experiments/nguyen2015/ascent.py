"""Fooling images by gradient ascent: paper 001, section 3.9, figures 13 and S3 to S7.

    python -m experiments ascent paper --network caffenet=caffenet.safetensors

From the mean colour of ImageNet and noise of one grey level, images climb the confidence in each of
the paper's twenty classes: without a regulariser until the network is certain, and with the paper's
three sets of regularisers for its numbers of steps. An interrupted run goes on where it was.
"""

import numpy as np

from experiments.lab import section
from experiments.lab.imagenet import NUM_CLASSES, imagenet_names, imagenet_victim
from experiments.lab.shown import command, preset_name, shown_settings
from experiments.nguyen2015.ascent_config import PRESETS, Config, check, num_steps
from experiments.nguyen2015.ascent_report import pictures, remarks
from experiments.nguyen2015.ascent_tables import certain, ends, equally_sure
from experiments.nguyen2015.ascents import SETTINGS, Ascents, ascend


def main(config: Config) -> None:
    """Climbs, draws, and publishes the section."""
    check(config)
    names = imagenet_names(config.class_names)
    victim = imagenet_victim(config.network, config.side, config.seed)
    found = {
        name: ascend(
            SETTINGS[name],
            victim.model,
            victim.model.image_shape,
            NUM_CLASSES,
            config.classes,
            starts=config.starts,
            num_steps=num_steps(config, SETTINGS[name]),
            most_steps=max(num_steps(config, SETTINGS[name]) for name in config.settings),
            stop=config.stop,
            seed=config.seed,
            lanes=config.lanes,
            folder=config.out / name,
        )
        for name in config.settings
    }
    tables = [certain(found, config.stop), ends(found)]
    if any(SETTINGS[name].steps for name in found):
        tables.append(equally_sure(found, config.stop))
    section.publish(
        section.Section(
            name="ascent",
            title=f"Fooling images by gradient ascent: {victim.title}",
            source="paper 001, figures 13 and S3 to S7, section 3.9 and supplement D",
            preset=preset_name(config, PRESETS["paper"][1]),
            command=command("ascent", config, PRESETS[config.preset][1]),
            settings=shown_settings(config),
            tables=tables,
            pictures=pictures(config, found, names),
            notes=[victim.note, *remarks(config, found, names)],
            data={name: _data(of) for name, of in found.items()},
        ),
        config.out,
    )


def _data(of: Ascents) -> dict[str, np.ndarray]:
    return {
        "labels": of.labels,
        "confidence": of.confidence,
        "confidence_uint8": of.confidence_uint8,
        "predicted": of.prediction,
        "num_steps": of.num_steps,
        "total_variation": of.last_variation,
    }
