"""Converters for scikit-learn, one file for each of its public modules."""
