"""Nguyen, Yosinski & Clune (2015), "Deep neural networks are easily fooled"."""
