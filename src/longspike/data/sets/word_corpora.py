"""Texts for language models, word by word: WikiText-2, WikiText-103, Penn Treebank, and Victorian novels."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from longspike._core.vocabulary import END, UNKNOWN, Vocabulary
from longspike.data.bundle import DataBundle
from longspike.data.files.cache import cached_folder, fingerprint
from longspike.data.files.locate import Layout, require_files
from longspike.data.files.text_lines import Texts, read_lines, stored_symbols, write_tokens
from longspike.data.sets.corpora import NOVELS, PAGE_NOVELS, SEQLEN, novel_files, text_entry
from longspike.data.token_rows import TokenRow
from longspike.errors import DataFileError

PARTS = ("train", "val", "test")
PUBLISHED = Vocabulary(unit="words", specials=(END,), ends="line")
"""Words between blanks, an end to every line, empty ones too; "<unk>" is a word of the files like any other."""
PROSE = Vocabulary(unit="words", specials=(END, UNKNOWN), ends="line", has_marks=True)
NOVELS_SIZE = 30_000
FEWEST_WORDS = 100
_WIKITEXT = "https://huggingface.co/datasets/Salesforce/wikitext (wikitext-{0}-v1.zip)"
_TREEBANK = (
    "http://www.fit.vutbr.cz/~imikolov/rnnlm/simple-examples.tgz (the corpus itself: catalog.ldc.upenn.edu/LDC99T42)"
)


def words_bundle(
    name: str,
    empty: Vocabulary,
    parts: dict[str, Texts],
    files: list[Path],
    *,
    source: str,
    max_size: int | None = None,
) -> DataBundle:
    """The data set of texts "train", "val" and "test" in words, numbered by how often they come in train.

    Equal counts stay in the order in which they were met. The tokens are made once and mapped from the cache.

    Args:
        empty: a vocabulary without symbols that says what a word is. files: that the texts come from.
        max_size: of the vocabulary; rarer words are "<unk>".
    """
    options = {"unit": empty.unit, "specials": empty.specials, "ends": empty.ends, "has_marks": empty.has_marks}
    make = partial(Vocabulary.from_texts, max_size=max_size, **options)  # type: ignore[arg-type]
    key = fingerprint(files, version=f"words 1 {max_size} {options}")
    arrays = cached_folder(name, key, lambda folder: write_tokens(folder, parts, make))
    vocabulary = replace(empty, symbols=stored_symbols(arrays))
    for part in PARTS:
        if len(arrays[part]) < FEWEST_WORDS:
            raise DataFileError(f"{name}: {part} holds {len(arrays[part])} words, too few to learn from. Is it whole?")
    rows = {part: TokenRow(tokens=arrays[part], d_input=vocabulary.size, seqlen=SEQLEN) for part in PARTS}
    return DataBundle(
        name=name,
        train=rows["train"],
        val=rows["val"],
        test=rows["test"],
        num_classes=vocabulary.size,
        d_input=vocabulary.size,
        class_names=vocabulary.names,
        source=source,
        vocabulary=vocabulary,
    )


def load_published(name: str, root: Path) -> DataBundle:
    """WikiText or Penn Treebank as published; a word that is not in train is "<unk>" (the published files have none).

    Raises: DataFileError if a file is missing, is no text in UTF-8, or holds a word that is not in train where train has
        no "<unk>" either.
    """
    layout, page, source = _SOURCES[name]
    _, paths = require_files(name, root, (layout,), page=page)
    parts: dict[str, Texts] = {part: partial(read_lines, path) for part, path in zip(PARTS, paths, strict=True)}
    return words_bundle(name, PUBLISHED, parts, list(paths), source=source)


def load_novels_words(root: Path) -> DataBundle:
    """The novels in words and marks, a paragraph a line; the most frequent 29,998 of train, "<eos>" and "<unk>".

    Raises: DataFileError if a folder is missing or holds no text.
    """
    folder, _ = require_files("novels-words", root, (NOVELS,), page=PAGE_NOVELS)
    files = novel_files(folder)
    parts: dict[str, Texts] = {part: partial(paragraphs, some) for part, some in files.items()}
    source = (
        "Victorian novels of Project Gutenberg, public domain in the USA, in words and marks; no work is in two parts."
    )
    everything = [file for some in files.values() for file in some]
    return words_bundle("novels-words", PROSE, parts, everything, source=source, max_size=NOVELS_SIZE)


def paragraphs(files: list[Path]) -> Iterator[str]:
    """Texts whose lines are as wide as a page, with a line a paragraph instead; a blank line is between two of them."""
    for file in files:
        text = "".join(read_lines(file))
        joined = (" ".join(block.split("\n")) for block in text.split("\n\n"))
        yield "".join(f"{block.strip()}\n" for block in joined if block.strip())


_SOURCES: dict[str, tuple[Layout, str, str]] = {
    **{
        f"wikitext-{size}": (
            Layout(
                folders=(f"wikitext-{size}", f"wikitext-{size}-v1"),
                needs=tuple((f"wiki.{part}.tokens",) for part in ("train", "valid", "test")),
            ),
            _WIKITEXT.format(size),
            f"WikiText-{size} (Merity et al. 2016), articles of Wikipedia, CC BY-SA 3.0; split as published.",
        )
        for size in ("2", "103")
    },
    "ptb": (
        Layout(
            folders=("ptb", "penn", "simple-examples/data"),
            needs=tuple((f"ptb.{part}.txt", f"{part}.txt") for part in ("train", "valid", "test")),
        ),
        _TREEBANK,
        "Penn Treebank (Marcus et al. 1993) as prepared by Mikolov et al., no free licence; split as published.",
    ),
}


_SIZES = {"wikitext-2": (33_278, "2.1"), "wikitext-103": (267_735, "103"), "ptb": (10_000, ".9")}
_FILES = {
    "wikitext-2": "wikitext-2/wiki.{train,valid,test}.tokens",
    "wikitext-103": "wikitext-103/wiki.{train,valid,test}.tokens",
    "ptb": "ptb.{train,valid,test}.txt in ptb/, penn/ or simple-examples/data/",
}
_TITLES = {"wikitext-2": "WikiText-2", "wikitext-103": "WikiText-103", "ptb": "Penn Treebank"}
ENTRIES = {
    name: text_entry(
        f"{_TITLES[name]}, {millions} million words, for language models over words",
        size,
        _FILES[name],
        *_SOURCES[name][:2],
        partial(load_published, name),
    )
    for name, (size, millions) in _SIZES.items()
} | {
    "novels-words": text_entry(
        "Victorian novels, split by work, for language models over words",
        NOVELS_SIZE,
        "novels/{train,valid,test}/*.txt",
        NOVELS,
        PAGE_NOVELS,
        load_novels_words,
    )
}
