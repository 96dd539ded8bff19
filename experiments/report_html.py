"""HTML elements made of text, which is escaped, control characters too."""

import html
from collections.abc import Iterable, Mapping

from jfool.texts import visible


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(name: str, *content: str, **attributes: str) -> Html:
    """An element. Content is escaped unless it is `Html`; `class_` stands for `class`."""
    return Html(f"{void(name, attributes)}{join(content)}</{name}>")


def void(name: str, attributes: Mapping[str, str]) -> Html:
    """An element without content, or the opening of one."""
    pairs = (
        f' {key.rstrip("_")}="{html.escape(visible(text))}"' for key, text in attributes.items()
    )
    return Html(f"<{name}{''.join(pairs)}>")


def join(parts: Iterable[str]) -> Html:
    """One after another, escaped unless they are `Html`."""
    return Html(
        "".join(p if isinstance(p, Html) else html.escape(visible(p), quote=False) for p in parts)
    )
