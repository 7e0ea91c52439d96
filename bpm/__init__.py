"""People in the process: approvals and tasks, run by viewflow's token engine.

viewflow is imported here and nowhere else, and only subclassed: its licence allows unmodified use.
"""
