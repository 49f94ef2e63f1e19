"""The text header of Prophesee's files: lines of "% keyword value", up to "% end" or the first line that is none."""

import re
from dataclasses import dataclass
from typing import BinaryIO

from longspike._core.limits import LARGEST_PROPHESEE_HEADER_BYTES
from longspike.events.faults import Faults
from longspike.events.formats.source import parse_size

SENSORS = {
    "gen3": (640, 480),
    "gen31": (640, 480),
    "gen4": (1280, 720),
    "gen41": (1280, 720),
    "imx636": (1280, 720),
    "imx646": (1280, 720),
    "genx320": (320, 320),
}
"""(width, height) of the sensors that a camera plugin's name suggests, for headers from before the geometry was in them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PropheseeHeader:
    """What a header says.

    Args:
        fields: value by keyword, keywords in lower case.
        num_bytes: its length; the data follows.
    """

    fields: dict[str, str]
    num_bytes: int

    def options(self) -> dict[str, str]:
        """The format line's parts: "EVT3;height=720;width=1280" gives the name under "" and each option."""
        first, *others = self.fields.get("format", "").split(";")
        pairs = (other.partition("=") for other in others)
        return {"": first.strip().upper(), **{name.strip().lower(): value.strip() for name, _, value in pairs}}

    def encoding(self) -> str | None:
        """ "evt2", "evt21" or "evt3", None if the header names no encoding of events."""
        named = {"EVT2": "evt2", "EVT21": "evt21", "EVT2.1": "evt21", "EVT3": "evt3"}.get(self.options()[""])
        versions = {"2.0": "evt2", "2": "evt2", "2.1": "evt21", "3.0": "evt3", "3": "evt3"}
        return named or versions.get(self.fields.get("evt", "").strip())

    def sensor_size(self) -> tuple[int, int] | None:
        """(width, height), from the geometry, the format line or the size lines; None without any."""
        options = self.options()
        return (
            parse_size(self.fields.get("geometry", ""))
            or parse_size(f"{options.get('width')}x{options.get('height')}")
            or parse_size(f"{self.fields.get('width')}x{self.fields.get('height')}")
        )

    def likely_size(self) -> tuple[int, int] | None:
        """(width, height) of the sensor that the plugin's name suggests; other libraries write one name for all."""
        plugin = re.search(r"(genx320|gen31|gen3|gen41|gen4|imx636|imx646)(_|$)", self.fields.get("plugin_name", ""))
        return SENSORS[plugin[1]] if plugin else None


def _is_text(line: bytes) -> bool:
    """Whether a line is a keyword and text. Words of events can begin with the byte "%" too, and then are not: the first
    one is a time, and a byte of it is neither a letter nor a part of one."""
    try:
        text = line.decode("utf-8").rstrip("\r").replace("\t", " ")
    except UnicodeDecodeError:
        return False
    return re.match(r"% [A-Za-z]", text) is not None and text.isprintable()


def parse_header(head: bytes) -> PropheseeHeader:
    """The header at the beginning of `head`; one without a line has length 0.

    Up to a line "% end", and of DAT files, every line that begins with "%" belongs to it, whatever it holds; else only
    lines of text do, and lines without anything between them.
    """
    fields: dict[str, str] = {}
    position = 0
    closing = re.search(rb"^%[ \t]*end[ \t\r]*$", head, re.MULTILINE | re.IGNORECASE)
    stop = closing.end() if closing else 0
    while head.startswith(b"%", position) and (end := head.find(b"\n", position)) >= 0:
        line = head[position:end]
        is_empty = line.rstrip() == b"%" and _is_text(head[end + 1 :].partition(b"\n")[0])
        if not (position < stop or "data file containing" in fields or is_empty or _is_text(line)):
            break
        position = end + 1
        keyword, _, value = line[1:].decode("utf-8", "replace").strip().partition(" ")
        if keyword.lower() == "end" and not value:
            break
        if keyword.lower() == "data" and value.lower().startswith("file containing"):
            keyword, value = "data file containing", value[len("file containing") :]
        fields[keyword.lower()] = value.strip()
    return PropheseeHeader(fields=fields, num_bytes=position)


def read_header(stream: BinaryIO, faults: Faults) -> PropheseeHeader:
    """The header of a stream, which is left at the first byte of the data."""
    head = stream.read(LARGEST_PROPHESEE_HEADER_BYTES + 1)
    header = parse_header(head)
    rest = head[header.num_bytes :]
    is_cut = rest.startswith(b"%") and b"\n" not in rest and rest.decode("utf-8", "replace").isprintable()
    if len(head) > LARGEST_PROPHESEE_HEADER_BYTES and header.num_bytes and (is_cut or not rest):
        faults.fail(f"has a header of more than {LARGEST_PROPHESEE_HEADER_BYTES} bytes")
    if header.num_bytes == 0:
        faults.fail('does not start with a line of a Prophesee header, "% keyword value"', "Is the format right?")
    stream.seek(header.num_bytes)
    return header
