"""The directive `result-files`: links to what lies in results/."""

from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

SUFFIXES = (".json", ".md", ".txt", ".csv", ".svg")


class ResultFiles(SphinxDirective):
    """A list of the text files of results/, each to be opened or kept; a sentence if there is none."""

    def run(self) -> list[nodes.Node]:
        """One line a file, with its size."""
        folder = Path(self.env.srcdir).parent / "results"
        found = sorted(path for path in folder.glob("**/*") if path.suffix in SUFFIXES)
        if not found:
            return [
                nodes.paragraph(text="This copy of the repository carries no result files; the commands make them.")
            ]
        return [nodes.bullet_list("", *(self._item(path, folder) for path in found))]

    def _item(self, path: Path, folder: Path) -> nodes.list_item:
        self.env.note_dependency(str(path))
        place = "/../" + path.relative_to(folder.parent).as_posix()
        name = nodes.literal(text=path.relative_to(folder).as_posix())
        link = addnodes.download_reference("", "", name, reftarget=place, refdoc=self.env.docname)
        return nodes.list_item("", nodes.paragraph("", "", link, nodes.Text(f", {path.stat().st_size:,} bytes")))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("result-files", ResultFiles)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
