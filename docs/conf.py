"""Sphinx's settings."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from flask_realtime import __version__  # noqa: E402 - the path has to be set first

project = "flask_realtime"
author = "flask_realtime maintainers"
project_copyright = author
release = version = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "realtime_reference",
]
exclude_patterns = ["_build"]
smartquotes = False

# Docstrings set code in single backticks, as Markdown does.
default_role = "code"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_numpy_docstring = False

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = f"flask_realtime {release}"
html_copy_source = False
