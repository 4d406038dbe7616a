"""The worker process: it decodes photos and runs the model."""
