"""`longspike data`: lists, checks, fetches and locates data sets."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from longspike.cli.output import note, print_json, print_line, print_table
from longspike.errors import ConfigError, DataFileError

if TYPE_CHECKING:
    from longspike.data import DatasetEntry, DatasetStatus


def data(
    action: Literal["list", "status", "download", "generate", "path"],
    name: Annotated[tyro.conf.Positional[str | None], tyro.conf.arg(metavar="[NAME]")] = None,
    *,
    samples: int | None = None,
    data_root: Path | None = None,
    json: bool = False,
) -> int:
    """List, check, fetch, make and locate data sets.

    Args:
        action: list: what there is. status: whether the files are there. download NAME: fetch them. generate NAME: make
            them, of a set that is made by rules. path NAME: where.
        name: A data set, e.g. smnist; needed by download, generate and path.
        samples: Of generate: how many to make, e.g. 20000; the published number if not given.
        data_root: Data folder; LONGSPIKE_DATA or ~/.cache/longspike/data if not given.
        json: Print JSON.
    """
    if name is None and action in ("download", "generate", "path"):
        raise ConfigError(f"`longspike data {action}` needs the name of a data set, e.g. smnist.")
    if samples is not None and action != "generate":
        raise ConfigError(f"--samples is of `longspike data generate`; `longspike data {action}` makes nothing.")
    if action == "list":
        return _list(name, json)
    if action == "status":
        return _status(name, data_root, json)
    if action == "generate":
        return _generate(str(name), data_root, samples, json)
    act = {"download": _download, "path": _path}[action]
    return act(str(name), data_root, json)


def _names(name: str | None) -> tuple[str, ...]:
    from longspike.data import available

    if name is not None and name not in available():
        raise ConfigError(f"there is no data set {name!r}. The data sets are: {', '.join(available())}.")
    return available() if name is None else (name,)


def _list(name: str | None, json: bool) -> int:
    from longspike.data import DATASETS

    rows = []
    for each in _names(name):
        entry = DATASETS[each]
        row: dict[str, Any] = {"name": each, "seqlen": entry.seqlen, "sensor_size": entry.sensor_size}
        rows.append(row | {"num_classes": entry.num_classes, "description": entry.description, "files": entry.files})
    if json:
        print_json(rows)
    else:
        print_table([(row["name"], _size(DATASETS[row["name"]]), row["description"]) for row in rows])
    return 0


def _size(entry: "DatasetEntry") -> str:
    """Steps of a sequence, or columns x rows of a sensor."""
    if entry.sensor_size is None:
        return f"{entry.seqlen} steps"
    return f"{entry.sensor_size[0]}x{entry.sensor_size[1]} events"


def _remedy(name: str) -> str:
    """How to get the files."""
    from longspike.data import DATASETS

    entry = DATASETS[name]
    if entry.generate is not None:
        return f"run: longspike data generate {name}"
    if entry.page is None:
        return f"run: longspike data download {name}"
    return f"get it from {entry.page} and put it in place as {entry.files}"


def _status_dict(status: "DatasetStatus") -> dict[str, Any]:
    folder = None if status.folder is None else str(status.folder)
    return {"name": status.name, "is_present": status.is_present, "folder": folder, "missing": list(status.missing)}


def _status(name: str | None, data_root: Path | None, json: bool) -> int:
    from longspike.data import status

    found = [status(each, data_root) for each in _names(name)]
    if json:
        print_json([_status_dict(each) for each in found])
    else:
        print_table([_status_row(each) for each in found])
    return 0 if name is None or found[0].is_present else 1


def _status_row(status: "DatasetStatus") -> tuple[str, ...]:
    if status.is_present:
        return (status.name, "ready", "" if status.folder is None else str(status.folder))
    from longspike.data.files.locate import name_list

    return (status.name, "missing", f"{name_list(status.missing, most=8)}; {_remedy(status.name)}")


def _path(name: str, data_root: Path | None, json: bool) -> int:
    from longspike.data import DATASETS, status
    from longspike.data.files.locate import name_list

    _names(name)
    if DATASETS[name].package is not None:
        raise ConfigError(f"{name} comes with the package {DATASETS[name].package} and lies in no data folder.")
    found = status(name, data_root)
    if found.folder is None:
        remedy = _remedy(name)
        raise DataFileError(
            f"{name} is not there; missing: {name_list(found.missing)}. {remedy[0].upper()}{remedy[1:]}"
        )
    if json:
        print_json({"name": name, "folder": str(found.folder)})
    else:
        print_line(str(found.folder))
    return 0


def _generate(name: str, root: Path | None, samples: int | None, json: bool) -> int:
    from functools import partial

    from longspike.cli.progress import count_bars
    from longspike.data import DATASETS, data_root, generate

    _names(name)
    if DATASETS[name].generate is None:
        made = ", ".join(each for each, entry in DATASETS.items() if entry.generate is not None)
        raise ConfigError(f"{name} is not made by longspike; {made} are. Run `longspike data status {name}`.")
    with count_bars() as bars:
        update = partial(bars.update, f"making {name}")
        folder = generate(name, data_root(root), num_samples=samples, progress=update)
    if json:
        print_json({"name": name, "folder": str(folder)})
    else:
        print_line(str(folder))
    return 0


def _download(name: str, root: Path | None, json: bool) -> int:
    from longspike.cli.progress import download_bars
    from longspike.data import DATASETS, data_root, download

    _names(name)
    if DATASETS[name].generate is not None:
        raise ConfigError(f"{name} is not downloaded, it is made: {_remedy(name)}.")
    if DATASETS[name].page is not None:
        raise ConfigError(
            f"{name} is not downloaded by longspike, as its publisher states no checksum or asks for consent: "
            f"{_remedy(name)}."
        )
    if DATASETS[name].package is not None:
        note(f"{name} comes with the package {DATASETS[name].package}; there is nothing to download.")
        paths: tuple[Path, ...] = ()
    else:
        with download_bars() as bars:
            paths = download(name, data_root(root), progress=bars.update)
    if json:
        print_json({"name": name, "files": [str(path) for path in paths]})
    else:
        for path in paths:
            print_line(str(path))
    return 0
