"""Where does the time go between a producer and an AI stage?

A scenario is planned into cells, each cell moves tensors from a producer through a transport to a
stage while every message is stamped, and the stamps alone feed the analysis, the verdict and the charts::

    scenarios/dam.yaml -> scenario -> plan -> engine -> records -> analysis -> report
                                                |
                      source -> codec -> transport -> codec -> stage
"""

__version__ = "0.1.0"
