"""What all cells of one phase diagram share: the data, the net, and how it is trained."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_args

from loadpath.checks import (
    as_path,
    check_choice,
    check_count,
    check_flag,
    check_seed,
    check_text,
    shown,
)
from loadpath.data import Data, Resize, check_options
from loadpath.measures.separation import KINDS, PSEUDO_INVERSES, PseudoInverse
from loadpath.spring_block.networks import (
    CNNShape,
    Engine,
    MLPShape,
    NoiseScale,
    Recipe,
    Shape,
    check_job,
    choose_engine,
)
from loadpath.spring_block.phase_diagram.levels import NOISES, Panel, make_noise
from loadpath.spring_block.phase_diagram.protocols import (
    PROTOCOL_NAMES,
    PROTOCOLS,
    WIDTHS,
    Network,
    Protocol,
    ProtocolName,
)
from loadpath.spring_block.phase_diagram.reading import fingerprint, read_once
from loadpath.storage import is_data_file

SOURCES = ("digits", "mnist", "fashion-mnist", "cifar10", "npz")
"""Sources of `loadpath.data` that have classes."""
FORMERLY: dict[str, str] = {
    "noise_scale": "demeaned",
    "resize": "area",
    "pseudo_inverse": "exact",
    "protocol": "SB",
}
"""Fields that results of 0.1.0 do not name, and what they were there."""
SCALE_MEANINGS = {
    "raw": "noise on inputs is in units of the standard deviation of all pixels as they were",
    "demeaned": "noise on inputs is in units of the standard deviation of the demeaned inputs",
}
"""What attrs of results say of the scale of data noise."""


@dataclass(frozen=True)
class Setting:
    """One phase diagram but for its axes, in plain values that a file can hold.

    Raises
    ------
    ValueError
        If a field is out of its range, when the setting is made or when its data are read; the
        sentence names the field and its value.

    References
    ----------
    .. [1] He and Su, "A law of data separation in deep learning", PNAS 2023, and their code.

    Examples
    --------
    >>> setting = Setting("dropout", n_train=200, epochs=3)
    >>> setting.recipe(0.1).dropout, setting.samples().x_train.shape
    (0.1, torch.Size([200, 64]))
    """

    panel: Panel
    """Which noise shakes the training."""
    data: str = "digits"
    """What to learn: a source by its name, or a file of your own that ends in .npz, .csv or
    .parquet, as `loadpath.data.load` reads it; "npz" is an archive that is split already."""
    folder: str | None = None
    """Where the files of a source are, or the archive itself; digits need none."""
    image_size: int | None = None
    """Pixels a side that images are made smaller to; None is the papers' 10, and 8 for digits."""
    n_train: int | None = None
    """Number of training samples; None is [SB]'s 2560, 1437 for digits and all for npz; of [HS]
    1000, and all for npz."""
    n_test: int | None = None
    """Number of test samples; None is 5000, what is left of digits and all for npz."""
    data_seed: int = 0
    """Seed by which samples are drawn, the same for all seeds of the nets."""
    network: Network = "MLP"
    """Which net of [SB] is trained."""
    width: int | None = None
    """Features of an MLP's layer, or channels of a CNN's; None is [SB]'s, 100 and 20."""
    depth: int = 8
    """Layers with weights, the logits' included."""
    batch_norm: bool = True
    """Whether the nets have BatchNorm."""
    epochs: int | None = None
    """Largest number of epochs; None is the paper's."""
    record_every: int | None = None
    """Epochs between records of the log separation along training; None for no records."""
    engine: Engine | None = None
    """What trains the nets, as of `loadpath.networks.train`; None chooses."""
    target: str | None = None
    """The column of a file that holds the classes."""
    fingerprint: str | None = None
    """Fingerprint of the labels, so that no cell takes other data than the rest; None for any."""
    protocol: ProtocolName = "SB"
    """Whose experiment it is, where other fields do not say otherwise: that of [SB], or "HS", that
    of He and Su [1]_ on their law of equal separation. It has 100 images of each class, drawn so,
    batches of 128, 600 epochs without early stop, Adam with a weight decay of 5e-4 and a rate that
    is divided by ten after each third, ReLU nets without BatchNorm on their inputs, and separations
    in which classes count alike."""
    noise_scale: NoiseScale = "raw"
    """Unit of the noise on inputs of the panel "data noise": the standard deviation of the pixels
    as they were, as in [SB], or of the demeaned inputs, as up to version 0.1.0."""
    resize: Resize = "area"
    """How images are made smaller, as of `loadpath.data.mnist`: means over areas, or bilinear
    interpolation as in [SB], whose antialiasing hung on the version of torchvision."""
    pseudo_inverse: PseudoInverse = "exact"
    """What pseudo-inverses leave out in the separation, as of `loadpath.separation.log_separation`:
    "float32" is for comparing numbers with published ones."""

    def __post_init__(self) -> None:
        """Check what can be checked without the data."""
        for name, value, known in (
            ("panel", self.panel, tuple(NOISES)),
            ("network", self.network, tuple(WIDTHS)),
            ("protocol", self.protocol, PROTOCOL_NAMES),
            ("noise_scale", self.noise_scale, tuple(SCALE_MEANINGS)),
            ("resize", self.resize, get_args(Resize)),
            ("pseudo_inverse", self.pseudo_inverse, PSEUDO_INVERSES),
        ):
            check_choice(name, value, known)
        if not isinstance(self.data, str | Path):
            raise ValueError(
                f"data must be the name of a source or of a file, got {shown(self.data)}: cells "
                "are run by other processes, so save arrays by np.savez('mine.npz', x=x, y=y)."
            )
        if self.target is not None:
            check_text("target", self.target)
        if self.own:
            object.__setattr__(self, "data", str(as_path("data", self.data)))
        else:
            check_choice("data", self.data, SOURCES)
        check_flag("batch_norm", self.batch_norm)
        if self.network not in self.experiment.networks:
            raise ValueError(
                f"network must be {' or '.join(self.experiment.networks)} for protocol "
                f"{self.protocol}, got {self.network!r}."
            )
        if self.engine is not None:
            check_choice("engine", self.engine, ("compiled", "plain"))
        check_count("depth", self.depth, 2)
        check_seed("data_seed", self.data_seed)
        if self.width is not None:
            check_count("width", self.width, 1)
        for name, count in (("n_train", self.n_train), ("n_test", self.n_test)):
            if count is not None:
                check_count(name, count, 1)
        if self.folder is not None:  # cells may be run where `~` is another home
            object.__setattr__(self, "folder", str(as_path("folder", self.folder)))
        check_options(self.data, self.folder, **self._sampling())
        for name in ("epochs", "record_every"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name), 1)

    def plain(self) -> dict[str, Any]:
        """Return the fields as cells are given them.

        Returns
        -------
        dict
            All fields, but `target` only where there is one: cells of earlier versions have none.
        """
        fields = asdict(self)
        if self.target is None:
            del fields["target"]
        return fields

    @property
    def own(self) -> bool:
        """Whether the data are a file of the user's own, and no source with a name."""
        return is_data_file(str(self.data))

    @property
    def experiment(self) -> Protocol:
        """What the protocol fixes."""
        return PROTOCOLS[self.protocol]

    def samples(self) -> Data:
        """Return the data, which are read once a process.

        Returns
        -------
        Data
            A classification task.

        Raises
        ------
        FileNotFoundError
            If the files are not there.
        ValueError
            If the files cannot be read, or do not hold the data of the fingerprint.
        """
        data = read_once(self.data, self.folder, self.data_seed, **self._sampling())
        if self.fingerprint is not None and self.fingerprint != fingerprint(data):
            raise ValueError(
                f"folder must hold the data that the diagram was begun with, but the labels of "
                f"{self.data} in {self.folder!r} are others."
            )
        return data

    def _sampling(self) -> dict[str, Any]:
        """Return the options of the source's reader; None for what it shall choose itself."""
        # A source of images without an option gets the paper's; others have their own.
        paper = self.experiment
        images = self.data not in ("digits", "npz") and not self.own
        options: dict[str, Any] = {
            name: getattr(paper, name) if images and given is None else given
            for name, given in (
                ("image_size", self.image_size),
                ("n_train", self.n_train),
                ("n_test", self.n_test),
            )
        }
        if paper.balanced and self.data != "npz" and not self.own:
            options |= {"balanced": True, "n_train": self.n_train or paper.n_train}
        options["resize"] = None if self.resize == "area" else self.resize
        own = {"target": self.target, "task": "classification"} if self.own else {}
        return {**options, **own}

    def shape(self, data: Data, recipe: Recipe, *, slope: float) -> Shape:
        """Return the shape of a cell's net.

        Parameters
        ----------
        data : Data
            What `samples` returns.
        recipe : Recipe
            How the cell is trained.
        slope : float
            Slope of the activation below 0.

        Returns
        -------
        MLPShape or CNNShape
            Sizes and settings.

        Raises
        ------
        ValueError
            If a size or setting is out of its range.
        """
        options: dict[str, Any] = dict(
            depth=self.depth, slope=slope, dropout=recipe.dropout, batch_norm=self.batch_norm
        )
        width = WIDTHS[self.network] if self.width is None else self.width
        if self.network == "MLP":
            options["input_batch_norm"] = self.experiment.input_batch_norm
            return MLPShape(data.in_features, data.out_features, width=width, **options)
        return CNNShape(
            data.in_features,
            data.out_features,
            channels=width,
            image_channels=3 if self.data == "cifar10" else 1,
            **options,
        )

    def recipe(self, noise: float) -> Recipe:
        """Return how a cell is trained.

        Parameters
        ----------
        noise : float
            The cell's place on the axis of noise.

        Returns
        -------
        Recipe
            The paper's training under this noise, with the setting's own number of epochs.

        Raises
        ------
        ValueError
            If the noise is out of its range.
        """
        base = self.experiment.base_recipe(self.panel, self.network)
        if self.epochs is not None:
            base = replace(base, epochs=self.epochs)
        base = replace(base, noise_scale=self.noise_scale)
        return base.under(make_noise(self.panel, noise))

    def paper_noises(self) -> list[float]:
        """Return the noises of the paper, from calm to noisy.

        Returns
        -------
        list of float
            Values of the panel's axis. Batches are at most as large as the data.
        """
        values = self.experiment.levels(self.panel, self.network)
        if self.panel == "batch size":
            n_train = len(self.samples().x_train)
            values = list(dict.fromkeys(min(size, n_train) for size in values))
        return values

    def checked(self, axes: dict[str, list[Any]]) -> Setting:
        """Return the setting with all that was left open filled in, once every cell can run.

        No net is built: what can be trained is known from the shapes of the nets.

        Parameters
        ----------
        axes : dict
            Values of "seed", "noise" and "slope".

        Returns
        -------
        Setting
            With width, epochs, engine and the fingerprint of the data.

        Raises
        ------
        ValueError
            If a cell cannot run; the sentence names the argument and its value.
        """
        data = self.samples()
        for noise in axes["noise"]:
            recipe = self.recipe(noise)
            size = recipe.batch_size if self.panel == "batch size" else None
            if size is not None and size > len(data.x_train):
                raise ValueError(
                    f"noise must be a batch size of at most the {len(data.x_train)} training "
                    f"samples, got {noise}."
                )
            for slope in axes["slope"]:
                shape = self.shape(data, recipe, slope=slope)
            # All slopes alike: whether data, batches and noise suit does not hang on them.
            check_job(shape, data, recipe, seed=0, record_every=self.record_every, kinds=KINDS)
        whole = replace(
            self,
            width=WIDTHS[self.network] if self.width is None else self.width,
            epochs=recipe.epochs,
            engine=choose_engine(shape, self.engine),
            fingerprint=fingerprint(data),
        )
        for seed in axes["seed"]:
            check_seed("seed", seed)
        return whole
