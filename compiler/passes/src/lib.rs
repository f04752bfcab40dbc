//! Passes over the three levels, their manager and the pipelines.
