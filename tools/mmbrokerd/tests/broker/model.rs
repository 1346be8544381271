//! Random operations, compared with the broker of the core on files.
