"""A good start for any neural network, and the proof that it is good."""
