"""What every experiment shares: settings, victims, searches, tables, figures, the report."""

from experiments.lab import gallery
from experiments.lab.experiment import Experiment, preset
from experiments.lab.figures import draw_curves, draw_matrix, draw_shares, new_figure, save_figure
from experiments.lab.gallery import Row, Tile, draw_gallery, tiles
from experiments.lab.kinds import (
    OBJECTIVES,
    Boundary,
    Chunk,
    Classes,
    ClassNames,
    Color,
    Colors,
    Confidence,
    Count,
    Dataset,
    EvenCount,
    Evolution,
    Flag,
    ImageNetClass,
    ImageNetNetwork,
    InputFolder,
    Ks,
    Lanes,
    Layer,
    Network,
    Networks,
    Number,
    Objective,
    OutFile,
    OutFolder,
    Pixels,
    Population,
    Precision,
    Repeats,
    Seconds,
    Seed,
    Side,
    TrainedNetwork,
    ascending,
    at_least,
    between,
    distinct,
    one_of,
)
from experiments.lab.published import numbers, numbers_of, published
from experiments.lab.rates import rate
from experiments.lab.records import Records
from experiments.lab.run import Run
from experiments.lab.section import (
    Cell,
    Picture,
    Table,
    beside_plain,
    floored,
    floored_cells,
    table,
)
from experiments.lab.settings import Check, Extensible, Subject, Technical, changed, settings
from experiments.lab.sparse import (
    beside_colors,
    cells,
    drawn_ks,
    plain_confidences,
    search,
    search_grid,
)
from experiments.lab.victims import Victim, load_victim, name_of
