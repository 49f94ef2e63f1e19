"""How the documentation is built: no network, no external fonts or scripts, warnings are errors (`make docs`)."""

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "longspike"
author = "The longspike developers"
project_copyright = "The longspike developers, Apache-2.0"
version = release = installed_version("longspike")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "plain_docstrings",
    "sphinx.ext.viewcode",
    "doctest_blocks",
    "native_maths",
    "result_files",
    "bench_report",
    "api_index",
]
exclude_patterns = ["_build"]
suppress_warnings = ["config.cache"]
default_role = "literal"
highlight_language = "python"
nitpicky = False

myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
html_math_renderer = "native"

autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 88

html_theme = "furo"
html_title = f"longspike {release}"
html_static_path = ["_static"]
html_css_files = ["longspike.css"]
html_copy_source = False
html_theme_options = {"sidebar_hide_name": False, "navigation_with_keys": True, "top_of_page_buttons": []}
