//! OpenRSVP.
