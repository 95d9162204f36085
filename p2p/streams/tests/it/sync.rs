//! Several nodes on one network: their logs become alike, whatever happens between them.

mod converge;
mod epochs;
mod equivocation;
mod groups;
mod hostile;
mod liars;
mod limits;
mod stranded;
mod unsigned;
mod world;
