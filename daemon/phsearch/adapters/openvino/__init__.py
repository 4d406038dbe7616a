"""The towers of a model as exported graphs, run by OpenVINO without torch."""
