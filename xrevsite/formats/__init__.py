"""How dates are written: the same way everywhere, and in the order in which they sort. All times are UTC."""
