"""How Sphinx builds the documentation: ``sphinx-build -W docs docs/_build``."""

import sys
from pathlib import Path

from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent.parent))
from twisted_chat import __version__

project = "twisted_chat"
author = "the authors of twisted_chat"
release = version = __version__

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
nitpicky = True
highlight_language = "none"
# A link to a heading uses the anchor that forges make of it.
myst_heading_anchors = 3

html_theme = "furo"
html_title = "twisted_chat"
html_show_sphinx = False

# Links lead to these pages where a forge shows them. The site has them among its own.
ABOVE = {"../CONTRIBUTING.md": "contributing.md", "../NEWS.md": "news.md"}


def link_to_the_site(_app: Sphinx, _page: str, source: list[str]) -> None:
    """Called with each page's text, in a list, before it is parsed."""
    for above, here in ABOVE.items():
        source[0] = source[0].replace(f"]({above})", f"]({here})")


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", link_to_the_site)
