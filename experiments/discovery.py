"""Which experiments there are: every module that ends in an `EXPERIMENT`, or has `Settings` and a
`main(settings)`."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent


@dataclass(frozen=True)
class Module:
    """
    name: dotted, of the module.
    text: its docstring.
    declared: whether it ends in an `EXPERIMENT`; else it has `Settings` and a `main(settings)`.
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
        names = set(_names(tree))
        if "EXPERIMENT" in names or {"Settings", "main"} <= names:
            module = ".".join(("experiments", *parts))
            found[" ".join(parts)] = Module(
                module, ast.get_docstring(tree) or "", "EXPERIMENT" in names
            )
    return found


def _names(tree: ast.Module) -> Iterator[str]:
    """Functions, classes and variables at the top of a module."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
