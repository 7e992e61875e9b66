//! Archives, packed and unpacked on a host.
//!
//! The host's own tools do the work: tar (with gzip, bzip2, xz or zstd for what is compressed so), zip and unzip.
//! What is missing is said by name. Undo puts back what was replaced, of up to 16 MiB, and takes away what was not there.

mod packed;
mod scripts;
mod unpacked;

pub use packed::Packed;
pub use unpacked::Unpacked;

use crate::contract::Module;

/// Offers what this module has.
pub fn register(module: &mut Module) {
    module.operation::<Packed>().operation::<Unpacked>();
}
