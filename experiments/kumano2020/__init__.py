"""Kumano et al. (2020), "Are DNNs fooled by extremely unrecognizable images?"."""
