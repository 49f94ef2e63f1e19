"""The formats that recordings come in: one file each, and the table of them."""

from collections.abc import Callable
from typing import BinaryIO

import numpy as np

from longspike.events.formats.aedat2 import open_aedat2
from longspike.events.formats.aedat3 import open_aedat3
from longspike.events.formats.aedat4 import open_aedat4
from longspike.events.formats.csv import open_csv, write_csv
from longspike.events.formats.dat import open_dat
from longspike.events.formats.es import open_es
from longspike.events.formats.evt import open_evt2, open_evt3, open_evt21, write_evt2, write_evt3
from longspike.events.formats.hdf5 import open_hdf5
from longspike.events.formats.nmnist import open_nmnist, write_nmnist
from longspike.events.formats.npz import open_npz, write_npz
from longspike.events.formats.source import Opener

FORMATS: dict[str, Opener] = {
    "evt2": open_evt2,
    "evt21": open_evt21,
    "evt3": open_evt3,
    "dat": open_dat,
    "aedat2": open_aedat2,
    "aedat3": open_aedat3,
    "aedat4": open_aedat4,
    "es": open_es,
    "nmnist": open_nmnist,
    "hdf5": open_hdf5,
    "npz": open_npz,
    "csv": open_csv,
}
"""How each format is opened, by name."""

WRITERS: dict[str, Callable[[BinaryIO, np.ndarray, tuple[int, int]], None]] = {
    "evt2": write_evt2,
    "evt3": write_evt3,
    "nmnist": write_nmnist,
    "npz": write_npz,
    "csv": write_csv,
}
"""How a format is written, for those that can be."""

SUFFIXES = {".npz": "npz", ".csv": "csv", ".raw": "evt3", ".bin": "nmnist"}
"""What a new file's name says of its format; files that are read are known by their content."""
