"""Occlusion maps: how predictions change when parts of an image are covered.

They work for any classifier with ``predict_proba``, and must not depend on how it was trained.
"""

from skfashion.inspection._display import OcclusionDisplay
from skfashion.inspection._occlusion import occlusion_map

__all__ = ["OcclusionDisplay", "occlusion_map"]
