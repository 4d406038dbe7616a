"""A change of the model without a gap: the former one answers until the vectors of the new one are complete."""
