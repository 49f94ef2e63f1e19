"""People's own data: files and folders of labelled samples, described once and then a data set like any other."""

from longspike.data.own.description import OwnData, own_data_of
from longspike.data.own.loading import describe_data, load_own
from longspike.data.own.reading import Reading
from longspike.data.own.reopening import load_others, read_like, split_index

__all__ = ["OwnData", "Reading", "describe_data", "load_others", "load_own", "own_data_of", "read_like", "split_index"]
