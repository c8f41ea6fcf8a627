"""The parts of `squeezebert demo`: train, measure, report."""
