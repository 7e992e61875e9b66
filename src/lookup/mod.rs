//! What templates may ask of the controller.

mod world;

pub use world::WORLD;
