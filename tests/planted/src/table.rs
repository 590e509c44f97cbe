//! How soon each bug is found.
