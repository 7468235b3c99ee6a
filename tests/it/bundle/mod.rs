//! Snapshots as bundles (`EKVSSTI1`): what a server wrote, the same rows in both forms, damage of every kind.

mod commands;
mod errors;
mod salvage;
mod same;
