"""Python runs this file at its start wherever PYTHONPATH leads here: so the hook reaches the workers that a stage starts."""

import os
from pathlib import Path

if handover := os.environ.get("VERITABLE_HANDOVER"):
    from veritable.stage.hook import install
    from veritable.stage.seal import Seal

    install(Seal.load(Path(handover)))
