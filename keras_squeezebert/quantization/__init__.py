"""Quantization-aware training: int8 simulated in the float graph."""
