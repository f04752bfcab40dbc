//! Status codes: what the entry functions of a module return.
//!
//! The numbers are part of the ABI and never change their meaning. Nothing is written to the outputs before the checks
//! that can give [`Status::DIMS`] are done.

/// What an entry function returned.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(transparent)]
pub struct Status(pub i32);

impl Status {
    /// Done.
    pub const OK: Status = Status(0);
    /// A dim is out of its range, or the dims contradict each other.
    pub const DIMS: Status = Status(1);
    /// An index in an input's values lies outside of the tensor that it indexes.
    pub const INDEX: Status = Status(2);
    /// The caller's allocator gave no memory.
    pub const MEMORY: Status = Status(3);
    /// A dim known only from input values isn't what the plan set.
    pub const PLAN: Status = Status(4);
    /// A custom operator failed.
    pub const CUSTOM: Status = Status(5);

    /// A value isn't what an operator takes: an empty optional, a string that is no number, an item of another type.
    pub const VALUE: Status = Status(6);
    /// An image is of a known format, but of a form of it that isn't decoded.
    pub const IMAGE: Status = Status(7);

    /// One line for people.
    pub fn text(self) -> &'static str {
        TEXTS.get(usize::try_from(self.0).unwrap_or(usize::MAX)).copied().unwrap_or(UNKNOWN)
    }
}

/// The text of each status, from 0 on.
pub const TEXTS: &[&str] = &[
    "ok",
    "a dim is out of range or contradicts another",
    "an index in an input is out of range",
    "out of memory",
    "the dims are not those that the plan gave",
    "a custom operator failed",
    "a value is not what an operator takes",
    "an image is of a form that is not decoded",
];

/// The text of every other status.
pub const UNKNOWN: &str = "unknown status";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_a_text() {
        assert_eq!(Status::OK.text(), "ok");
        assert_eq!(Status::CUSTOM.text(), TEXTS[5]);
        assert_eq!((Status(8).text(), Status(-1).text()), (UNKNOWN, UNKNOWN));
    }
}
