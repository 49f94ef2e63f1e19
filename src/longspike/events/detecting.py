"""Which format a file is in, by its content; its name plays no part."""

import codecs

from longspike.events.faults import Faults
from longspike.events.formats import FORMATS
from longspike.events.formats.nmnist import looks_like
from longspike.events.formats.prophesee_header import parse_header

HEAD_BYTES = 1 << 16
FEWEST_RECORDS = 16
"""Below this many records, five bytes an event could be anything."""

MAGICS = (
    (b"#!AER-DAT4.", "aedat4"),
    (b"#!AER-DAT3.1", "aedat3"),
    (b"#!AER-DAT2.", "aedat2"),
    (b"Event Stream", "es"),
    (b"\x89HDF\r\n\x1a\n", "hdf5"),
    (b"PK\x03\x04", "npz"),
    (b"PK\x05\x06", "npz"),
)
"""What files of a format start with."""

CONTROLS = frozenset(range(32)) - frozenset(b"\t\n\r")


def is_text(head: bytes) -> bool:
    """Whether `head` is lines of text in UTF-8; its last character may be cut."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return b"\n" in head and not set(head) & CONTROLS


def _detect_prophesee(head: bytes, faults: Faults) -> str:
    """EVT words and DAT records follow the same kind of header."""
    header = parse_header(head)
    encoding = header.encoding()
    if encoding is not None:
        return encoding
    if "data file containing" in header.fields or "version" in header.fields:
        return "dat"
    known = header.fields.get("format") or header.fields.get("evt")
    if known:
        faults.fail(f"holds Prophesee data in the encoding {known!r}, which is not read", "Convert it to EVT3.")
    faults.fail(
        "has a Prophesee header that names no encoding (no line `% evt`, `% format` or `% Version`)",
        'Pass format="evt2", "evt21", "evt3" or "dat".',
    )


def detect(head: bytes, num_bytes: int, sensor_size: tuple[int, int] | None, faults: Faults) -> str:
    """The name of the format, a key of `FORMATS`.

    Args:
        head: the file's first `HEAD_BYTES` bytes.
        num_bytes: its length.
        sensor_size: the caller's, if any; it decides whether records of five bytes lie on the sensor.
        faults: raises DataFileError if the content fits no format, or several.
    """
    if not head:
        faults.fail("is empty")
    for magic, name in MAGICS:
        if head.startswith(magic):
            return name
    if head.startswith(b"#!AER-DAT"):
        version = head[len(b"#!AER-DAT") :].split(b"\n")[0][:8].decode("ascii", "replace").strip()
        faults.fail(
            f"is in version {version} of AEDAT; 2, 3.1 and 4 are read", "Convert it with the camera's software."
        )
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        faults.fail("is text in UTF-16", "Save it in UTF-8.")
    if head.startswith(b"% ") and not is_text(head.partition(b"\n")[0] + b"\n"):
        faults.fail("starts like a Prophesee header, whose first line is not text", "Pass `format` if it is another.")
    if head.startswith(b"% "):
        return _detect_prophesee(head, faults)
    found = ["csv"] if is_text(head) else []
    if num_bytes >= 5 * FEWEST_RECORDS and looks_like(head, num_bytes, sensor_size):
        found.append("nmnist")
    if len(found) != 1:
        faults.fail(
            f"fits {' and '.join(found) or 'none of the formats that are known by their content'} "
            f"(first bytes: {head[:8].hex(' ')})",
            f"Pass `format`, one of {', '.join(FORMATS)}; five bytes an event is 'nmnist'.",
        )
    return found[0]
