"""What to say when JAX finds no device to run on."""

import os


def platform_refusal() -> str | None:
    """One sentence if JAX cannot start on what `JAX_PLATFORMS` asks for, else None.

    To be asked after a command has failed: before, a command may still have to join the processes
    of a cluster, which JAX allows only before it looks for devices.
    """
    import jax

    try:
        jax.devices()
    except (RuntimeError, AssertionError):  # JAX's plugin for CUDA asserts
        names = ("JAX_PLATFORMS", "JAX_PLATFORM_NAME")
        name = next((name for name in names if os.environ.get(name)), names[0])
        asked = os.environ.get(name, "none")
        return (
            f"{name}: expected platforms that JAX can start here, got {asked!r:.60} (unset it, use "
            f"{name}=cpu, or install JAX for it: https://docs.jax.dev/en/latest/installation.html)"
        )
    return None
