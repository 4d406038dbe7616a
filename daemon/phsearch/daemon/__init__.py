"""The composition root: how workers are started, what fills the index, what answers, and a run from start to end."""
