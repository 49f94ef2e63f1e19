"""The directive `api-index`: a table of the public names of modules, each with the first sentence of its docstring."""

import inspect
from importlib import import_module
from types import ModuleType

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

KINDS = ("Classes", "Functions", "Others")


def public_names(module: ModuleType) -> list[str]:
    """What `automodule` shows of a module: `__all__`, or without one what is defined there and has no underscore."""
    own = [name for name, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__]
    return list(getattr(module, "__all__", [name for name in own if not name.startswith("_")]))


def kind_of(value: object) -> str:
    """One of KINDS."""
    return KINDS[0] if inspect.isclass(value) else KINDS[1] if inspect.isroutine(value) else KINDS[2]


def first_sentence(value: object) -> str:
    """Of the docstring's first paragraph; nothing for a plain value."""
    if kind_of(value) == KINDS[2]:
        return ""
    paragraph = (inspect.getdoc(value) or "").partition("\n\n")[0].replace("\n", " ")
    return paragraph.partition(". ")[0].rstrip(".:").replace("`", "")


class ApiIndex(SphinxDirective):
    """A table for the modules that the arguments name."""

    required_arguments = 1
    optional_arguments = 20

    def run(self) -> list[nodes.Node]:
        """Rows of a link and a sentence, classes before functions."""
        found: dict[str, list[nodes.row]] = {kind: [] for kind in KINDS}
        for where in self.arguments:
            module = import_module(where)
            for name in sorted(public_names(module), key=str.lower):
                value = getattr(module, name)
                found[kind_of(value)].append(self._row(where, name, first_sentence(value)))
        body = nodes.tbody("", *(row for kind in KINDS for row in found[kind]))
        columns = (nodes.colspec(colwidth=width) for width in (30, 70))
        return [nodes.table("", nodes.tgroup("", *columns, body, cols=2), classes=["api-index"])]

    def _row(self, where: str, name: str, sentence: str) -> nodes.row:
        target = {"refdomain": "py", "reftype": "obj", "reftarget": f"{where}.{name}", "refdoc": self.env.docname}
        link = addnodes.pending_xref("", nodes.literal(text=name), refexplicit=True, refwarn=False, **target)
        cells = (nodes.paragraph("", "", link), nodes.paragraph(text=sentence))
        return nodes.row("", *(nodes.entry("", cell) for cell in cells))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("api-index", ApiIndex)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
