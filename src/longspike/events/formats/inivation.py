"""What the formats of iniVation's cameras share: lines of header, and the sizes of the sensors."""

import re
from typing import BinaryIO

from longspike._core.limits import LARGEST_AEDAT_HEADER_BYTES
from longspike.events.faults import Faults

END_LINE = re.compile(rb"^#(?:!END-HEADER|End Of ASCII Header)\r?\n", re.MULTILINE)
"""The line that ends a header, of AEDAT 3.1 and of AEDAT 2.0; older files have none."""

SENSORS = (
    ("DVS128", (128, 128)),
    ("DAVIS128", (128, 128)),
    ("DAVIS208", (208, 192)),
    ("DAVIS240", (240, 180)),
    ("DAVIS346", (346, 260)),
    ("DAVIS640", (640, 480)),
)
"""(width, height) of the cameras, by the start of their names."""


def find_sensor(text: str) -> tuple[str, tuple[int, int]] | None:
    """The camera that a text names and its size, None if it names none that is known."""
    for name, size in SENSORS:
        if re.search(rf"(?<![A-Z0-9]){name}", text.upper()):
            return name, size
    return None


def _is_text(line: bytes) -> bool:
    """Whether a line holds nothing but characters: a record can begin with the byte "#" too."""
    try:
        text = line.rstrip(b"\r\n").decode("utf-8")
    except UnicodeDecodeError:
        return False
    return text.replace("\t", " ").isprintable()


def read_lines(stream: BinaryIO, faults: Faults) -> list[str]:
    """The header's lines, each starting with "#"; the stream is left at the first byte after the last.

    The last one is "#!END-HEADER" or "#End Of ASCII Header" if one of these is there; else the first line that does not
    begin with "#", or holds more than text, is data.
    """
    start = stream.tell()
    head = stream.read(LARGEST_AEDAT_HEADER_BYTES + 1)
    ends = [found.end() for found in re.finditer(END_LINE, head)][:1]
    lines: list[str] = []
    position = 0
    while head.startswith(b"#", position) and position < (ends[0] if ends else len(head)):
        end = head.find(b"\n", position) + 1
        line = head[position : end or None]
        if not ends and not _is_text(line):
            break
        if not end and len(head) <= LARGEST_AEDAT_HEADER_BYTES:
            faults.fail("ends within its header: it is truncated, or no recording at all")
        position = end or len(head)
        if position > LARGEST_AEDAT_HEADER_BYTES:
            faults.fail(f"has a header of more than {LARGEST_AEDAT_HEADER_BYTES} bytes")
        lines.append(line.decode("utf-8", "replace").rstrip("\r\n"))
    stream.seek(start + position)
    return lines


def as_metadata(lines: list[str]) -> dict[str, str]:
    """The lines "# name: value" by name."""
    pairs = (line.lstrip("#!- ").partition(":") for line in lines)
    return {name.strip(): value.strip() for name, colon, value in pairs if colon}
