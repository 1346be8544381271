//! Fuzz targets for every text and file that an outsider may have made or a crash may have damaged.

pub mod targets;
