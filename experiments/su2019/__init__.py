"""Su, Vargas & Sakurai (2019), "One pixel attack for fooling deep neural networks"."""
