"""Foundations that import nothing else from longspike."""
