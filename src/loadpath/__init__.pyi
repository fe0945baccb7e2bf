from . import data as data
from . import diagnosis as diagnosis
from . import leaky_resnet as leaky_resnet
from . import measures as measures
from . import papers as papers
from . import plots as plots
from . import record as record
from . import report as report
from . import results as results
from . import spring_block as spring_block
from . import statistics as statistics
from . import sweep as sweep
from .citing import cite as cite
from .diagnosis import diagnose as diagnose
from .diagnosis import surgery as surgery
from .leaky_resnet import LeakyResNet as LeakyResNet
from .leaky_resnet import geodesic as geodesic
from .leaky_resnet import layer_steps as layer_steps
from .leaky_resnet import mechanics as mechanics
from .leaky_resnet import training as training
from .leaky_resnet.training import fit as fit
from .measures import separation as separation
from .results import load as load
from .spring_block import networks as networks
from .spring_block import phase_diagram as phase_diagram
from .spring_block.tuning import tune as tune

__version__: str
