"""People's own data: files and folders of labelled samples, described once and then a data set like any other."""

from longspike.data.own.description import OwnData, own_data_of
from longspike.data.own.loading import describe_data, load_own, load_samples
from longspike.data.own.reading import Reading

__all__ = ["OwnData", "Reading", "describe_data", "load_own", "load_samples", "own_data_of"]
