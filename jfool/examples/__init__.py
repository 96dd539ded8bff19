"""What a first attack needs: a small trained network, and ten images that it reads well.

    >>> from jfool.examples import digits, lenet
    >>> images, labels = digits()
    >>> lenet()(images).argmax(1).tolist()
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]

Both come with the package and need no download, no Flax and no scikit-learn.
"""

from jfool.examples.network import LeNet, lenet
from jfool.examples.scans import Digits, digits

__all__ = ["Digits", "LeNet", "digits", "lenet"]
