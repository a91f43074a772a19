"""Files to radiographs, and radiographs to what the network takes; loads no torch by itself."""
