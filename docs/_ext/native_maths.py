"""Formulas as MathML, which browsers draw themselves: no script, no font, no network."""

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)


def _mathml(node: nodes.Node, *, is_block: bool) -> str:
    tex = node.astext()
    try:
        return tex2mathml(tex, as_block=is_block).replace("&ApplyFunction;", "\u2061")
    except MathError as error:
        logger.warning("formula %r: %s", tex, error, location=node)
        return f"<code>{tex}</code>"


def visit_inline(translator, node: nodes.math) -> None:  # type: ignore[no-untyped-def]
    """Draw a formula within a line."""
    translator.body.append(_mathml(node, is_block=False))
    raise nodes.SkipNode


def visit_block(translator, node: nodes.math_block) -> None:  # type: ignore[no-untyped-def]
    """Draw a formula on its own."""
    translator.body.append(f'<div class="formula">{_mathml(node, is_block=True)}</div>')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer `native`."""
    app.add_html_math_renderer("native", (visit_inline, None), (visit_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
