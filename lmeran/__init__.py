"""LMeRAN: label-conditioned chest X-ray reading. Nothing here knows of screens or training.

from lmeran import Predictor

predictor = Predictor.from_pretrained()
print(predictor.read("film.dcm", pins={"Effusion": "positive"}).probabilities)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lmeran.errors import UserError
    from lmeran.findings import FINDINGS, State
    from lmeran.predictor import Predictor, Reading

__version__ = "0.1.0"
__all__ = ["FINDINGS", "Predictor", "Reading", "State", "UserError"]


def __getattr__(name: str) -> Any:
    # Imported when asked for: torch takes seconds, which `import lmeran` and --help need not wait.
    homes = {
        "FINDINGS": "lmeran.findings",
        "Predictor": "lmeran.predictor",
        "Reading": "lmeran.predictor",
        "State": "lmeran.findings",
        "UserError": "lmeran.errors",
    }
    if name not in homes:
        raise AttributeError(f"module 'lmeran' has no attribute '{name}'")
    return getattr(importlib.import_module(homes[name]), name)
