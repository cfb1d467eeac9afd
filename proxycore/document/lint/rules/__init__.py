"""The rules, by what they are about. Each module has its CODES and a `check`."""
