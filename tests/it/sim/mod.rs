//! What only a simulated world can show.
