"""The data sets, a module each: where the files lie, how they become samples, and the entries of the registry."""
