"""Events of event cameras."""
