"""The report of a search as one HTML file: in words, and in the dashboard's views.

    write_report("results/digits_cnn")       # results/digits_cnn/report.html

`outcome.py` gathers what is told, `words/` tells it as plain sentences and tables, `answers.py` packs what
the views ask for, `html.py` makes a page of it all.
"""

from tuner.search_report.writing import write_report

__all__ = ["write_report"]
