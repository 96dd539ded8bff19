"""What is wrong with a file of weights, and what to do about it."""


class FileError(Exception):
    """Becomes the sentence of a refusal where the path is known.

    Args:
      what: the file is, after "got FILE, ".
      advice: what to do.
    """

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what, advice)
        self.what, self.advice = what, advice
