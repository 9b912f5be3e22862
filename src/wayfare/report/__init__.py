"""What a study's numbers become: intervals, tables, figures, one page per run, and the site over all recorded results.

    statistics   intervals for few seeds
    verdict      where an interval lies against its threshold, in words and on a scale
    tables       a tidy table as CSV, in the terminal, as HTML
    palette      which colour and stroke stands for which player
    plots        the house style of figures, light and dark
    page         the frame of every page: light, dark, printed, without a network
    html         one self-contained report of one run
    site         one page over all recorded results

This package knows nothing of worlds, agents or studies: it reads their findings by attribute and never imports them.
"""

from __future__ import annotations
