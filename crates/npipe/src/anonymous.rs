//! Anonymous pipes.
