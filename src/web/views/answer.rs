//! The pages of an answer: giving it, having given it, managing it.
