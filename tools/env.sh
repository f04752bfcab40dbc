# Sourced by the Makefile: cargo as rustup installs it, if it isn't on the path already.
command -v cargo >/dev/null || { [ -f "$HOME/.cargo/env" ] && . "$HOME/.cargo/env"; }
