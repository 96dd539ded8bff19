"""List the attacks: their papers, and what they look for."""

import argparse
import inspect
import textwrap

PAPERS = {
    "SparseFooling": "Kumano et al. 2020, sec. 3.1",
    "FeatureInversion": "Kumano et al. 2020, sec. 3.2",
    "EvolvedFooling": "Nguyen et al. 2015, sec. 2.2",
    "GradientFooling": "Nguyen et al. 2015, sec. 3.5",
    "OnePixel": "Su et al. 2019",
    "GreedyFooling": "jfool's own",
    "FGSM": "Goodfellow et al. 2015",
    "BIM": "Kurakin et al. 2017",
    "PGD": "Madry et al. 2018",
    "MIFGSM": "Dong et al. 2018",
    "APGD": "Croce & Hein 2020 and 2021",
    "FAB": "Croce & Hein 2020 (FAB)",
    "Square": "Andriushchenko et al. 2020",
    "DeepFool": "Moosavi-Dezfooli et al. 2016",
    "HotCold": "Rozsa et al. 2016",
    "Restarts": "several starts of any of them",
    "InTurn": "several starts, one after another",
}
_WIDTH = 88


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It has none."""


def run(options: argparse.Namespace) -> int:
    import jfool

    for name, paper in PAPERS.items():
        text = inspect.getdoc(getattr(jfool, name)) or ""
        sentence = " ".join(text.partition("\n\n")[0].split())
        print(f"jfool.{name} ({paper})")
        print(textwrap.fill(sentence, _WIDTH, initial_indent="  ", subsequent_indent="  "))
    return 0
