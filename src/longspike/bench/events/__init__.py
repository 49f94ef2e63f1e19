"""Event streams: speed, latency and memory of FLAMES on synthetic and recorded events, and of reading recordings."""
