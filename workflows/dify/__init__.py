"""Flows exported from Dify: read safely, checked, repaired where their meaning is clear."""

from workflows.dify.load import Imported, load_flow
from workflows.dify.report import Report

__all__ = ["Imported", "Report", "load_flow"]
