"""The other side of the door: the only part of the control plane that imports proxycore.api."""
