"""What runs on a GPU: parity with the CPU, speed beside limits and other libraries, training steps."""
