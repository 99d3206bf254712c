//! Each invariant of R4 that the table has: where it holds, and where it does not.
