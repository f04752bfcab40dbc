//! Loops IR to machine code with LLVM.
