//! The use cases: recognise, certify, verify, trace, trade.
