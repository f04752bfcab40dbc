//! The three intermediate representations: graph, kernel, loops.
