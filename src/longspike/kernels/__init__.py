"""Operators: tensors in, tensors out, each with a readable reference and faster routes behind one dispatch point."""
