"""The one-page report of a run, made from its manifests, logs and answers: as HTML, and in a terminal."""

from anadil.report.html import write
from anadil.report.terminal import print_report

__all__ = ["print_report", "write"]
