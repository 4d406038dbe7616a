"""The composition root in chapters: what the workers are, what fills the index, what answers, what can change live."""
