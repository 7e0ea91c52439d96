"""Tests that cross rooms: architecture, journeys, the commands of the README."""
