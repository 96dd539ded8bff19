"""The figures of paper 000, tables 2 to 15, in percent. (Table 1 is in `table1`.)

Read from the paper's PDF through its text layer, which is damaged here and there: digits are lost,
most often the first of a two-digit number. A cell is `None` (`?` below) where

- nothing is left of the number, or a letter stands in it;
- a single digit lies more than five points below the same cell with fewer altered pixels, or below
  the colour alone: a search keeps what it has, and any altered pixel may repeat the colour;
- a lone 9 stands in a black, grey or white row for k >= 5, or for MLP in table 15: these rows are
  full of 99;
- k = 5, VGG16, red, cat: an 8 between 6 (k = 1) and 99 (k = 25).

In table 8 the blue row has fallen apart into five lines; it is put together in the order of its
single-colour confidences. Those in parentheses are the same in all four tables of a network, so
that what one table lost another had. Figures are rounded down.
"""

from collections.abc import Sequence
from dataclasses import dataclass

Percents = list[list[int | None]]

COLORS = ("black", "grey", "white", "red", "green", "blue")
CLASSES = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
KS = (1, 5, 25, 125)
PAPER_K = 5  # of tables 14, 15 and 18, and of the question whether blue can be a car
GREYS = COLORS[:3]


def _cells(text: str) -> Percents:
    """A line per row; `?` is None."""
    lines = text.strip().splitlines()
    return [[None if word == "?" else int(word) for word in line.split()] for line in lines]


@dataclass(frozen=True)
class Network:
    """
    title: as the paper writes it.
    tables: the numbers of its tables, by k.
    plain: `[colour, class]`, confidences of single-colour images.
    mean: by k, `[colour, class]`, mean confidences of 50 SFIs.
    """

    title: str
    tables: dict[int, int]
    plain: Percents
    mean: dict[int, Percents]

    def means(self, k: int, colors: Sequence[str]) -> Percents:
        """`[colour, class]`; None where the paper has no such k or colour."""
        return [_row(self.mean.get(k), color) for color in colors]

    def alone(self, colors: Sequence[str]) -> Percents:
        """`[colour, class]`, the single-colour images; None where the paper has no such colour."""
        return [_row(self.plain, color) for color in colors]


def _row(cells: Percents | None, color: str) -> list[int | None]:
    if cells is None or color not in COLORS:
        return [None] * len(CLASSES)
    return cells[COLORS.index(color)]


def _network(title: str, first_table: int, plain: str, means: Sequence[str]) -> Network:
    tables = {k: first_table + i for i, k in enumerate(KS)}
    mean = {k: _cells(text) for k, text in zip(KS, means, strict=True)}
    return Network(title, tables, _cells(plain), mean)


# Tables 2 to 13, by the name of the architecture here.
CIFAR10 = {
    "cifar_vgg16": _network(
        "VGG16",
        2,
        """
         0  0  0 62  0  0 35  0  0  0
        11  0  2  3  0  0  0  0 81  0
         9  0  5  0  0  0  0  0 84  0
        97  0  0  0  0  0  0  0  0  0
         2  3  0 50  0  0  3  0 20 17
        95  0  2  0  0  0  0  0  1  0
        """,
        (
            """
            87  7 99 99 98 37 98 79 59 94
            99  0 92 63  7  0 17  0 99  5
            99  1 99 87 11  0 17  9 99 44
             ?  0  0  6  0  0  0  1  6  8
            18  6  2 70  1  0 12  0 48 32
            99  0 22  0  0  0  0  0 24  0
            """,
            """
            99  99   ?   ?  99  99  99  99  99   ?
            100 52   ?   ?  99  95  99  99  99  97
            100 33 100   ?  99  99  98   ?   ?   ?
            99  53  56   ?   4   0   1  17  97   ?
            99  29  74  96  52   3  90   5  92  87
            99   0  98  37   4   0   0   0  98   0
            """,
            """
            99  99 99 99 99 99 99 99 99 99
            100 66 99 99 99 97 99  ? 99 98
            100 90 99 99 99 99 98 99 99 99
             ?  77 52 99  2  1  4 32 89 85
            96  26 31 97 21  0 96  4 84 74
            99   0 99 66  5  0  1  0 99  0
            """,
            """
            99 99 99 99 99 99 99 99 99 99
            99 81 99 99 99 99 99 99 99 99
            99 98 99 99 99 99 99 99 99 99
            99 98 97 99  ? 25 92  ? 94 99
            98 30 65  ? 73  0 99 12 85 87
            99  0 99 90  7  0  3  0 99  0
            """,
        ),
    ),
    "nin": _network(
        "NiN",
        6,
        """
         7  1 25 33 22  2  2  0  3  0
        35  1 12  3  5  0  2  0 36  0
        27  0 35  6 13  0  2  0 12  0
         5 26  1 28 11  9  1  7  1  6
        11  1 23  3 30  0 19  0  9  0
        20  2  2  5 14  0  2  0 50  1
        """,
        (
            """
            75 40 62 83 38  4  3  5  8  3
            93  1 56 11 10  2  3  0  ?  3
            96  2 85 23  ?  1  4  1 26  0
            67 68  6 44 20 14  2 17  ? 27
            63  2 82  7  ?  0 38  0 18  0
            95  4  9 13  ?  1  6  0 63  1
            """,
            """
            99   ? 99 99 81 86 17 82 90 81
            99  85 99  ? 41 98 20 17 97 44
            100 36 99  ?  ? 99 18 23 98  4
            99  97 74  ? 68 52 15  ? 17 93
            99  16 99 24  ?  0 84  ? 53  4
            99  27 64 83  ? 12 40  5 98 27
            """,
            """
            100  ? 99 99 95  ? 98 95 99 99
            100 97 99 95 86 98 87  ? 98 77
            100 97 99 99 90 99 51 98 99 58
            99  99 68 93 81  ? 22  ? 26 98
            99  27 99 39 88  0 99  2 29  2
            99  55 83 96 77 24 39 18 97 42
            """,
            """
            99  99 99 99 99 95 99 93 99 99
            99  99 99 99 99 98 99  ? 99 96
            100 99 99 99  ? 99 99 96 99 99
            99  99 96 99  ? 77 86 94 64 99
            98  47 99 74 99 12 99  ? 24  2
            99  99 98 99  ? 55 70 41 99 99
            """,
        ),
    ),
    "cifar_resnet50": _network(
        "ResNet50",
        10,
        """
         8  0  5 13 65  0  0  0  5  0
        11  0  1  0  3  0  0  0 81  0
        71  0 13 11  0  0  0  0  2  0
         8 14  3 62  0  0  0  0  0  8
        99  0  0  0  0  0  0  0  0  0
        65  0 15  1  6  0  0  0  9  0
        """,
        (
            """
            23  0 16 56 83  0  1  2 12  0
            99  0 16  5 16  4  2  0 96  0
            90  0 22 23  0  0  0  0  4  0
            11 18  5 67  0  1  0  0  0 10
            99  0  0  0  0  0  0  0  0  0
            90  0 34  3 11  0  2  0 17  0
            """,
            """
            99  0 88 97 96  0 11 67 34  8
            99  2 99 81 85 97 86  0 99 34
            99  1 99 90 10  6 41  0 70  7
            18 70  9 72  0  1  0  0  0 14
            99  0  0  0  0  0  4  0  0  0
            99  0 94 15 18  0  9  0 53  0
            """,
            """
            99 33 99 99 99  ? 84 99 77 93
            99 38 99 98 99  ? 99  6 99 36
            99  6 99 99 96  ? 99  ? 89  ?
            27 84 11 77  0  1  0  0  1  ?
            99  0  0  0  0  0 18  0  0  ?
            99  0 96 49 33  1 26  1 63  0
            """,
            """
            99   ? 99 99 99 99  99 98 95 99
            99  98 99 99 99 99  99 89 99 87
            99  59 99 99 99 99 100 98 94 32
            99  92 24 82  2  4   2  0  1 65
            99  44  0  0  1  0  97  0  0  0
            100  9 99 96 81 25  96 43 80 12
            """,
        ),
    ),
}


@dataclass(frozen=True)
class Fooled:
    """A row of tables 14 and 15.

    title: as the paper writes it.
    accuracy, confidence: on the natural test images.
    best: `[class, base]`, the highest of ten confidences; bases black, grey, white.
    """

    title: str
    accuracy: int
    confidence: int
    best: Percents


def _fooled(title: str, accuracy: int, confidence: int, text: str) -> Fooled:
    rows = text.split()
    return Fooled(title, accuracy, confidence, _cells("\n".join(rows).replace("/", " ")))


# Tables 14 and 15, by data set and the name of the architecture here.
ARCHITECTURES = {
    "mnist": {
        "mlp": _fooled(
            "MLP",
            98,
            99,
            """69/99/100 100/99/99 55/99/0 13/99/1 91/99/0
            100/97/0 99/90/0 99/99/0 50/93/68 97/97/0""",
        ),
        "cnn": _fooled(
            "CNN_MP",
            99,
            99,
            """100/100/100 100/100/100 100/100/100 100/100/100 100/100/100
            100/100/100 100/100/100 100/100/0 99/99/100 100/100/85""",
        ),
        "cnn_nopool": _fooled(
            "CNN_None",
            98,
            99,
            """100/0/0 100/0/0 100/100/100 100/0/0 100/0/0
            100/0/0 100/0/0 100/0/0 100/1/99 100/0/0""",
        ),
        "capsnet": _fooled(
            "CapsNet",
            99,
            20,
            """12/16/13 18/12/12 17/19/11 17/18/11 17/18/15
            21/18/9 12/16/12 18/18/12 14/20/12 14/17/14""",
        ),
    },
    "fashion_mnist": {
        "mlp": _fooled(
            "MLP",
            89,
            97,
            """64/100/0 28/100/0 47/99/0 73/99/0 87/98/0
            100/100/0 95/100/0 98/100/0 27/100/100 ?/100/0""",
        ),
        "cnn": _fooled(
            "CNN_MP",
            90,
            99,
            """100/100/100 100/100/100 100/100/100 100/100/100 100/100/100
            100/100/100 100/100/100 100/100/100 100/100/100 100/100/100""",
        ),
        "cnn_nopool": _fooled(
            "CNN_None",
            88,
            94,
            """99/85/99 78/98/99 87/44/4 94/52/0 93/67/24
            100/34/0 99/70/20 100/10/0 100/97/100 46/22/0""",
        ),
        "capsnet": _fooled(
            "CapsNet",
            91,
            20,
            """21/19/19 13/19/15 15/19/20 20/20/16 19/18/20
            21/18/15 21/20/20 18/18/17 22/21/21 18/17/15""",
        ),
    },
}
TABLE_OF = {"mnist": 14, "fashion_mnist": 15}
