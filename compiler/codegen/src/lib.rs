//! The Backend trait, module ABI, constants, targets, artefacts, linking.
