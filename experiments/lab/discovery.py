"""Which experiments there are: every module that ends in an `EXPERIMENT`, or has a `main`."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Module:
    """
    name: dotted, of the module.
    text: its docstring.
    declared: whether it ends in an `EXPERIMENT`; else it has a `main(settings)`.
    """

    name: str
    text: str
    declared: bool

    @property
    def summary(self) -> str:
        return self.text.partition("\n")[0]


def discover() -> Mapping[str, Module]:
    """By command, such as "demo" or "su2019 one_pixel"; imports none of them."""
    found = {}
    for path in sorted(ROOT.rglob("*.py"), key=lambda path: (len(path.parts), path)):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[0] == "lab" or parts[-1].startswith("_"):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {n.name for n in tree.body if isinstance(n, ast.FunctionDef)} | {
            target.id
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        if names & {"EXPERIMENT", "main"}:
            module = ".".join(("experiments", *parts))
            found[" ".join(parts)] = Module(
                module, ast.get_docstring(tree) or "", "EXPERIMENT" in names
            )
    return found
