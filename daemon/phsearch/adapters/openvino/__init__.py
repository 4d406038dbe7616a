"""The towers of a model as graphs, run by OpenVINO without torch. Only this package imports OpenVINO."""

from phsearch.adapters.openvino.runtime import compile_graph
from phsearch.adapters.openvino.towers import GraphImageTower, GraphTextTower, load_image_tower, load_text_tower

__all__ = ["GraphImageTower", "GraphTextTower", "compile_graph", "load_image_tower", "load_text_tower"]
