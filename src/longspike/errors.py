"""The exceptions that longspike raises on purpose; each message names what came and the remedy."""


class LongspikeError(Exception):
    """Base of the package's own errors."""


class BackendUnavailableError(LongspikeError, RuntimeError):
    """A backend or method was asked for by name and cannot run here."""


class MissingExtraError(LongspikeError, ImportError):
    """An optional dependency is not installed."""


class DataFileError(LongspikeError, FileNotFoundError):
    """A data file is missing, truncated or not what it claims to be."""


class UnknownSensorError(LongspikeError, ValueError):
    """A recording does not say how large its sensor is, and neither does the caller."""


class CheckpointError(LongspikeError, ValueError):
    """A saved model cannot be read by this version."""


class ConfigError(LongspikeError, ValueError):
    """A configuration or an override of it is not valid."""
