//! Reading SQLite files of other programs.
