"""Sphinx settings; `make docs` builds the pages into docs/_build."""

import runpy
from pathlib import Path

project = "jfool"
author = "the authors of jfool"
copyright = author
release = version = runpy.run_path(str(Path(__file__).parents[1] / "jfool" / "version.py"))[
    "__version__"
]

extensions = ["myst_nb"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # a test runs the notebooks; the pages show what they were saved with

html_theme = "sphinx_book_theme"
html_title = "jfool"
html_theme_options = {"show_toc_level": 2}
