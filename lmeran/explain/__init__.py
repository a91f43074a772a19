"""Why a reading is what it is: parts of the logit, influence of pins, attention, caveats."""
