"""The data of an experiment to look at: what `tuner data` prints, and writes as HTML.

    report = report_of(experiment, Path("results"))   # prepares the data, or finds it prepared
    console.print(as_text(report)); html = as_html(report)

Plain functions make a plain `DataReport`, by the kind of rows that a store holds: of a table, images or
tokens. Everything is read from the store, so it is what the model is trained on, put back into raw units.
"""

from tuner.data_report.html import as_html
from tuner.data_report.report import DataReport
from tuner.data_report.summary import report_of, summarise
from tuner.data_report.terminal import as_text

__all__ = ["DataReport", "as_html", "as_text", "report_of", "summarise"]
