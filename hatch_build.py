"""Complete the metadata of the distributions: links of the project, README for a package index."""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class CustomMetadataHook(MetadataHookInterface):
    """Derive everything that names the repository from its one address in pyproject.toml."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add `urls` and `readme`. An index shows README without the files that it links to."""
        repository = self.config["repository"]
        metadata["urls"] = {
            "Source": repository,
            "Issues": f"{repository}/issues",
            "Changelog": f"{repository}/blob/main/docs/whats_new.rst",
        }
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        text = re.sub(r"(!\[[^\]]*\])\((?!https?:)", rf"\1({repository}/raw/main/", text)
        text = re.sub(r"((?<!!)\[[^\]]*\])\((?!https?:)", rf"\1({repository}/blob/main/", text)
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
