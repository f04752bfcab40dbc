//! Status codes and the module self-description; no_std, no dependencies.
