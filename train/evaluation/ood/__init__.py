"""How the out-of-distribution gate does on films it was not fitted on."""
