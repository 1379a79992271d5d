"""What a classifier looks at: its answers when parts of an image are covered."""

from ._display import OcclusionDisplay
from ._occlusion import occlusion_map

__all__ = ["OcclusionDisplay", "occlusion_map"]
