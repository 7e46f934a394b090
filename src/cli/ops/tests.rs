//! Parts of `branchline ops` that need no broker.
