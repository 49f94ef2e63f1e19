"""What the formats of iniVation's cameras share: lines of header, and the sizes of the sensors."""

import re
from typing import BinaryIO

from longspike.events.faults import Faults

LONGEST_HEADER = 1 << 20

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


def read_lines(stream: BinaryIO, faults: Faults) -> list[str]:
    """The header's lines, each starting with "#"; the stream is left at the first byte after the last.

    A line "#!END-HEADER" ends it; without one, the first byte that is no "#" does.
    """
    lines: list[str] = []
    position = stream.tell()
    while (line := stream.readline(LONGEST_HEADER)).startswith(b"#"):
        if not line.endswith(b"\n"):
            faults.fail("ends within its header: it is truncated, or no recording at all")
        position += len(line)
        lines.append(line.decode("latin1").rstrip("\r\n"))
        if lines[-1] == "#!END-HEADER":
            break
        if position > LONGEST_HEADER:
            faults.fail(f"has a header of more than {LONGEST_HEADER} bytes")
    stream.seek(position)
    return lines


def as_metadata(lines: list[str]) -> dict[str, str]:
    """The lines "# name: value" by name."""
    pairs = (line.lstrip("#!- ").partition(":") for line in lines)
    return {name.strip(): value.strip() for name, colon, value in pairs if colon}
