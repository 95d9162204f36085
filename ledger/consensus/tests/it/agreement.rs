//! What a network does when it is told what goes wrong.
