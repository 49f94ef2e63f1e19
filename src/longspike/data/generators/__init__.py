"""Data sets that are made and not fetched: their rules, and the folders that keep them."""
