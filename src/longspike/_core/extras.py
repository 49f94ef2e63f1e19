"""Optional dependencies: imported where they are used, missing ones named with their extra."""

import importlib
from types import ModuleType

from longspike.errors import MissingExtraError


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import `module`, or say which extra brings it."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name is not None and error.name.partition(".")[0] != package:
            raise
        raise MissingExtraError(
            f'{purpose} needs the package {package!r}, which is not installed. Run: pip install "longspike[{extra}]"'
        ) from None
