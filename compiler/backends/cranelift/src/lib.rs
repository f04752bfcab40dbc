//! Loops IR to machine code with Cranelift.
