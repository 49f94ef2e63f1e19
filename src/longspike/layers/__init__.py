"""What a network is made of: mixing, dropout, pooling, the block."""
