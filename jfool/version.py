"""The version, apart so that it can be read without importing JAX."""

__version__ = "0.1.0"
