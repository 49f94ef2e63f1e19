"""The directive `result-files`: what lies in results/, shown as it is."""

from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

SUFFIXES = {".json": "json", ".md": "markdown", ".txt": "text", ".csv": "text"}
MAX_LINES = 80


class ResultFiles(SphinxDirective):
    """Every small text file of results/, under its name."""

    def run(self) -> list[nodes.Node]:
        """One titled block a file; a sentence if there is none."""
        folder = Path(self.env.srcdir).parent / "results"
        found = sorted(path for path in folder.glob("**/*") if path.suffix in SUFFIXES)
        if not found:
            return [
                nodes.paragraph(text="This copy of the repository carries no result files; the commands make them.")
            ]
        return [node for path in found for node in self._block(path, folder)]

    def _block(self, path: Path, folder: Path) -> list[nodes.Node]:
        self.env.note_dependency(str(path))
        lines = path.read_text(encoding="utf-8").splitlines()
        if len(lines) > MAX_LINES:
            lines = [*lines[:MAX_LINES], f"({len(lines) - MAX_LINES} more lines in the file)"]
        block = nodes.literal_block("\n".join(lines), "\n".join(lines), language="text")
        title = nodes.paragraph()
        title += nodes.literal(text=f"results/{path.relative_to(folder)}")
        return [title, block]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("result-files", ResultFiles)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
