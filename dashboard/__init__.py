"""The control plane: what should run, who may change it, what happened."""
